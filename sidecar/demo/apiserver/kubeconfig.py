"""How a client finds this server and says who it is."""

import msgspec


def kubeconfig(url: str, user: str = "admin") -> str:
    """A kubeconfig (JSON, which YAML includes) that acts as `user`.

    The name stands in `as`: kubectl sends tokens only over TLS, but impersonation over plain HTTP too.
    """
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "demo", "cluster": {"server": url}}],
        "users": [{"name": user, "user": {"as": user}}],
        "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": user}}],
        "current-context": "demo",
    }
    return msgspec.json.format(msgspec.json.encode(config)).decode()
