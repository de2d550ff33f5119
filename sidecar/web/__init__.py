"""HTTP: routes, limits, status codes, who may call. No decisions and no SQL."""
