-- The eleven billing tables (schema `public`), and the functions that guard their rules (schema `ledger`).
--
-- Conventions. Every name is schema-qualified: the runner's search_path holds nothing. Money is bounded with
-- BETWEEN, because CHECK (x >= 0) accepts NaN. A column numeric(10,2) rounds 0.005 to 0.01 before any rule sees
-- it, so whoever takes a price from outside checks its scale first. Times and dates that come from outside are
-- finite, because 'infinity' is a legal timestamptz. Guards are ENABLE ALWAYS: session_replication_role does not
-- switch them off. Their functions pin search_path, so that no caller's schema can shadow an operator in them.

CREATE SCHEMA IF NOT EXISTS ledger;  -- may have been made beforehand for a role that cannot create schemas

-- Which of these files were applied, and in which form.
CREATE TABLE ledger.migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     bytea       NOT NULL CHECK (octet_length(sha256) = 32),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);


-- GUARDS ----------------------------------------------------------------------------------------------------

-- For statement triggers: refuses the statement, also when it touches no row. The optional argument says what
-- to do instead. SQLSTATE 23001 (restrict_violation): no retry will help.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = format('%s on %I.%I is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = coalesce(TG_ARGV[0], 'The table is append-only: INSERT a row that says what is true now.'),
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME;
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.migrations
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.migrations ENABLE ALWAYS TRIGGER append_only;

-- An UPDATE that does not say when it was made is made now.
CREATE FUNCTION ledger.stamp_update() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;

-- The same for prices, which also say who. A writer that gives updated_at gives updated_by too; one that gives
-- neither (somebody in psql) is named by its login, never by whoever was there before.
CREATE FUNCTION ledger.stamp_price() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := clock_timestamp();
        IF NEW.updated_by = OLD.updated_by THEN
            NEW.updated_by := session_user;
        END IF;
    END IF;
    RETURN NEW;
END
$$;


-- PRICES ----------------------------------------------------------------------------------------------------

-- The prices of the platform: one row, always there.
CREATE TABLE public.platform_pricing (
    id                     smallint      PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    tenant_monthly_fee_chf numeric(10,2) NOT NULL DEFAULT 0 CHECK (tenant_monthly_fee_chf BETWEEN 0 AND 99999999.99),
    tenant_setup_fee_chf   numeric(10,2) NOT NULL DEFAULT 0 CHECK (tenant_setup_fee_chf BETWEEN 0 AND 99999999.99),
    threema_message_chf    numeric(10,5) NOT NULL DEFAULT 0 CHECK (threema_message_chf BETWEEN 0 AND 99999.99999),
    vat_rate_chli          numeric(5,2)  NOT NULL DEFAULT 8.10 CHECK (vat_rate_chli BETWEEN 0 AND 100),  -- per cent
    updated_at             timestamptz   NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(updated_at)),
    updated_by             text          NOT NULL DEFAULT session_user
);

-- What a skill costs a day. No row: no price.
CREATE TABLE public.skill_pricing (
    skill_id        text          PRIMARY KEY,
    daily_price_chf numeric(10,5) NOT NULL CHECK (daily_price_chf BETWEEN 0 AND 99999.99999),
    updated_at      timestamptz   NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(updated_at)),
    updated_by      text          NOT NULL DEFAULT session_user
);

-- Every version of every price: without it a bill of last month cannot be computed again.
CREATE TABLE ledger.pricing_history (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name text        NOT NULL CHECK (table_name IN ('platform_pricing', 'skill_pricing')),
    operation  text        NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE')),
    row_before jsonb,      -- NULL for an INSERT
    row_after  jsonb,      -- NULL for a DELETE
    changed_by text        NOT NULL,  -- session_user: the login, which SET ROLE does not change
    -- the clock, not the transaction's start: versions of one row are ordered by its lock, so by this too
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((row_before IS NULL) = (operation = 'INSERT')),
    CHECK ((row_after IS NULL) = (operation = 'DELETE'))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.pricing_history
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.pricing_history ENABLE ALWAYS TRIGGER append_only;

-- SECURITY DEFINER: a role that may set prices needs no right on schema ledger, and gets none.
CREATE FUNCTION ledger.record_price() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO ledger.pricing_history (table_name, operation, row_before, row_after, changed_by)
    VALUES (TG_TABLE_NAME, TG_OP,
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END,
            session_user);
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION ledger.record_price() FROM PUBLIC;  -- nobody hangs it on a table of their own

CREATE TRIGGER one_row BEFORE DELETE OR TRUNCATE ON public.platform_pricing
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('The platform has one row of prices: UPDATE it.');
CREATE TRIGGER stamped BEFORE UPDATE ON public.platform_pricing
    FOR EACH ROW EXECUTE FUNCTION ledger.stamp_price();
CREATE TRIGGER recorded AFTER INSERT OR UPDATE OR DELETE ON public.platform_pricing
    FOR EACH ROW EXECUTE FUNCTION ledger.record_price();
ALTER TABLE public.platform_pricing ENABLE ALWAYS TRIGGER one_row, ENABLE ALWAYS TRIGGER stamped,
    ENABLE ALWAYS TRIGGER recorded;

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON public.skill_pricing  -- row triggers would not see it
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('Each price has a history: DELETE the rows.');
CREATE TRIGGER stamped BEFORE UPDATE ON public.skill_pricing
    FOR EACH ROW EXECUTE FUNCTION ledger.stamp_price();
CREATE TRIGGER recorded AFTER INSERT OR UPDATE OR DELETE ON public.skill_pricing
    FOR EACH ROW EXECUTE FUNCTION ledger.record_price();
ALTER TABLE public.skill_pricing ENABLE ALWAYS TRIGGER no_truncate, ENABLE ALWAYS TRIGGER stamped,
    ENABLE ALWAYS TRIGGER recorded;

INSERT INTO public.platform_pricing DEFAULT VALUES;


-- TENANTS ---------------------------------------------------------------------------------------------------

-- From when to when a tenant lived: the anchor of its first and its final invoice.
CREATE TABLE public.tenant_billing_lifecycle (
    tenant_uid         uuid        PRIMARY KEY,  -- names are used again, uids are not
    tenant_name        text        NOT NULL,
    zitadel_org_id     text,                     -- of the highest version; a missing label must not lose the tenant
    created_at         timestamptz NOT NULL CHECK (isfinite(created_at)),  -- creationTimestamp
    deleted_at         timestamptz CHECK (isfinite(deleted_at)),
    deleted_not_before timestamptz CHECK (isfinite(deleted_not_before)),
    deleted_source     text        CHECK (deleted_source IN ('deletion', 'watch', 'late', 'audit', 'census', 'inferred')),
    source             text        NOT NULL CHECK (source IN ('watch', 'list', 'audit', 'backfill')),
    recorded_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (deleted_at >= created_at),
    CHECK (deleted_not_before <= deleted_at),
    CHECK ((deleted_at IS NULL) = (deleted_source IS NULL)),
    CHECK (deleted_at IS NOT NULL OR deleted_not_before IS NULL)
);
-- A second live uid under one name means that a removal was missed.
CREATE UNIQUE INDEX tenant_billing_lifecycle_one_live ON public.tenant_billing_lifecycle (tenant_name)
    WHERE deleted_at IS NULL;
CREATE INDEX tenant_billing_lifecycle_name ON public.tenant_billing_lifecycle (tenant_name, created_at);

-- Who a tenant is and when it was made never changes; its end, once known, only moves earlier: any later fact
-- can only show that it was gone sooner.
CREATE FUNCTION ledger.guard_lifecycle() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (NEW.tenant_uid, NEW.tenant_name, NEW.created_at) IS DISTINCT FROM (OLD.tenant_uid, OLD.tenant_name, OLD.created_at) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = format('tenant %s is %s, created at %s: that never changes', OLD.tenant_uid, OLD.tenant_name, OLD.created_at),
            HINT = 'Another tenant has another uid: INSERT its own row.';
    END IF;
    IF OLD.deleted_at IS NOT NULL AND (NEW.deleted_at IS NULL OR NEW.deleted_at > OLD.deleted_at) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = format('tenant %s ended at %s: that can only move earlier', OLD.tenant_uid, OLD.deleted_at),
            HINT = 'A tenant that lives again under this name has another uid: INSERT its own row.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guarded BEFORE UPDATE ON public.tenant_billing_lifecycle
    FOR EACH ROW EXECUTE FUNCTION ledger.guard_lifecycle();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.tenant_billing_lifecycle
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('A tenant that is gone keeps its row: set deleted_at.');
ALTER TABLE public.tenant_billing_lifecycle ENABLE ALWAYS TRIGGER guarded, ENABLE ALWAYS TRIGGER kept;

-- The log of skills. A row at (generation, skill) carries the state of that generation; readers order by
-- generation and skip a row that repeats the state before it. occurred_at is what was known at the time of
-- writing. No foreign keys: the log must accept every fact, in any order.
CREATE TABLE public.tenant_skill_events (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- orders rows; it has gaps
    tenant_uid     uuid        NOT NULL,
    tenant_name    text        NOT NULL,  -- as it was then
    zitadel_org_id text,
    skill_id       text        NOT NULL,
    event_kind     text        NOT NULL CHECK (event_kind IN ('enabled', 'disabled')),
    generation     bigint      NOT NULL CHECK (generation > 0),  -- Kubernetes counts from 1
    occurred_at    timestamptz NOT NULL CHECK (isfinite(occurred_at)),
    not_before     timestamptz CHECK (isfinite(not_before)),  -- the last moment known to be in the other state
    time_source    text        NOT NULL CHECK (time_source IN ('audit', 'watch', 'late', 'creation', 'deletion',
                                                               'suspended_at', 'assumed', 'inferred')),
    source         text        NOT NULL CHECK (source IN ('watch', 'list', 'audit', 'backfill')),
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (not_before <= occurred_at),
    UNIQUE (tenant_uid, generation, skill_id)  -- no kind in the key: a skill has one state per generation
);
CREATE INDEX tenant_skill_events_name ON public.tenant_skill_events (tenant_name, id DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.tenant_skill_events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE public.tenant_skill_events ENABLE ALWAYS TRIGGER append_only;

-- The log of suspensions, by the same rules.
CREATE TABLE public.tenant_suspension_events (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_uid     uuid        NOT NULL,
    tenant_name    text        NOT NULL,
    zitadel_org_id text,
    event_kind     text        NOT NULL CHECK (event_kind IN ('suspended', 'resumed')),
    generation     bigint      NOT NULL CHECK (generation > 0),
    occurred_at    timestamptz NOT NULL CHECK (isfinite(occurred_at)),
    not_before     timestamptz CHECK (isfinite(not_before)),
    time_source    text        NOT NULL CHECK (time_source IN ('audit', 'watch', 'late', 'creation', 'deletion',
                                                               'suspended_at', 'assumed', 'inferred')),
    source         text        NOT NULL CHECK (source IN ('watch', 'list', 'audit', 'backfill')),
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (not_before <= occurred_at),
    UNIQUE (tenant_uid, generation)
);
CREATE INDEX tenant_suspension_events_name ON public.tenant_suspension_events (tenant_name, id DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.tenant_suspension_events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE public.tenant_suspension_events ENABLE ALWAYS TRIGGER append_only;


-- CUSTOMERS -------------------------------------------------------------------------------------------------

-- How an organisation is billed. The address is structured because the Swiss QR-bill wants it so.
CREATE TABLE public.org_billing_config (
    zitadel_org_id         text        PRIMARY KEY,
    pay_by_invoice         boolean     NOT NULL DEFAULT false,
    auto_invoice_enabled   boolean     NOT NULL DEFAULT false,
    auto_reminders_enabled boolean     NOT NULL DEFAULT false,
    stripe_customer_id     text        UNIQUE,
    payment_terms_days     integer     NOT NULL DEFAULT 30 CHECK (payment_terms_days BETWEEN 0 AND 365),
    legal_name             text,
    contact_name           text,
    billing_email          text,
    street                 text,
    house_number           text,
    postal_code            text,
    town                   text,
    country                text        NOT NULL DEFAULT 'CH' CHECK (country ~ '^[A-Z]{2}$'),  -- ISO 3166-1
    language               text        NOT NULL DEFAULT 'de' CHECK (language ~ '^[a-z]{2}$'),  -- ISO 639-1
    vat_number             text,
    vat_treatment          text        NOT NULL DEFAULT 'chli' CHECK (vat_treatment IN ('chli', 'export', 'exempt')),
    customer_reference     text,
    created_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at             timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(updated_at))
);
CREATE TRIGGER stamped BEFORE UPDATE ON public.org_billing_config
    FOR EACH ROW EXECUTE FUNCTION ledger.stamp_update();
ALTER TABLE public.org_billing_config ENABLE ALWAYS TRIGGER stamped;

-- Stripe payment methods. Detached ones stay: payments were made with them.
CREATE TABLE public.org_payment_methods (
    id                       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    zitadel_org_id           text        NOT NULL REFERENCES public.org_billing_config,
    stripe_payment_method_id text        NOT NULL UNIQUE,
    method_type              text        NOT NULL,
    brand                    text,
    last4                    text        CHECK (last4 ~ '^[0-9]{4}$'),
    exp_month                smallint    CHECK (exp_month BETWEEN 1 AND 12),
    exp_year                 smallint    CHECK (exp_year BETWEEN 2000 AND 9999),
    is_default               boolean     NOT NULL DEFAULT false,
    created_at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    detached_at              timestamptz CHECK (isfinite(detached_at)),
    CHECK (NOT is_default OR detached_at IS NULL),
    -- One default an organisation. Checked at the end of the statement, so that one UPDATE can swap two rows; a
    -- partial unique index refuses that.
    CONSTRAINT org_payment_methods_one_default
        EXCLUDE USING btree (zitadel_org_id WITH =) WHERE (is_default) DEFERRABLE INITIALLY IMMEDIATE
);
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.org_payment_methods
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('A method that is gone keeps its row: set detached_at.');
ALTER TABLE public.org_payment_methods ENABLE ALWAYS TRIGGER kept;


-- INVOICES --------------------------------------------------------------------------------------------------

-- The last invoice number of each year, without gaps. The transaction that issues an invoice draws its number:
--     INSERT INTO invoice_number_counters AS c VALUES (<year of issue_date>, 1)
--     ON CONFLICT (year) DO UPDATE SET last_number = c.last_number + 1 RETURNING last_number
-- The row's lock makes the next one wait; a rollback gives the number back.
CREATE TABLE public.invoice_number_counters (
    year        smallint PRIMARY KEY CHECK (year BETWEEN 2000 AND 9999),
    last_number integer  NOT NULL CHECK (last_number > 0)
);
CREATE FUNCTION ledger.guard_counter() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    next CONSTANT integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE OLD.last_number + 1 END;
BEGIN
    IF NEW.last_number <> next OR TG_OP = 'UPDATE' AND NEW.year <> OLD.year THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = format('the next invoice number is %s, not %s of %s', next, NEW.last_number, NEW.year),
            HINT = 'Invoice numbers have no gaps: each year counts from 1, one by one.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guarded BEFORE INSERT OR UPDATE ON public.invoice_number_counters
    FOR EACH ROW EXECUTE FUNCTION ledger.guard_counter();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.invoice_number_counters
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('Numbers that were drawn stay drawn.');
ALTER TABLE public.invoice_number_counters ENABLE ALWAYS TRIGGER guarded, ENABLE ALWAYS TRIGGER kept;

-- Issued documents only. What was printed is frozen; what happens to the document later is set once.
-- A credit note mirrors an invoice: its amounts are zero or less.
CREATE TABLE public.invoices (
    id                       bigint        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number_year              smallint      NOT NULL,
    number_seq               integer       NOT NULL CHECK (number_seq > 0),
    invoice_number           text          NOT NULL UNIQUE,  -- as printed
    document_kind            text          NOT NULL DEFAULT 'invoice' CHECK (document_kind IN ('invoice', 'credit_note')),
    corrects_invoice_id      bigint        REFERENCES public.invoices,
    zitadel_org_id           text          NOT NULL,
    billing_kind             text          NOT NULL CHECK (billing_kind IN ('periodic', 'final', 'manual')),
    status                   text          NOT NULL DEFAULT 'issued' CHECK (status IN ('issued', 'paid', 'cancelled')),
    period_start             date          CHECK (isfinite(period_start)),
    period_end               date          CHECK (isfinite(period_end)),  -- exclusive
    issue_date               date          NOT NULL,
    issued_at                timestamptz   NOT NULL CHECK (isfinite(issued_at)),
    due_date                 date          NOT NULL CHECK (isfinite(due_date)),
    currency                 text          NOT NULL DEFAULT 'CHF' CHECK (currency = 'CHF'),
    supplier                 jsonb         NOT NULL CHECK (jsonb_typeof(supplier) = 'object'),  -- as printed
    customer                 jsonb         NOT NULL CHECK (jsonb_typeof(customer) = 'object'),  -- as printed
    vat_treatment            text          NOT NULL CHECK (vat_treatment IN ('chli', 'export', 'exempt')),
    vat_breakdown            jsonb         NOT NULL CHECK (jsonb_typeof(vat_breakdown) = 'array'),  -- one item a rate
    subtotal_chf             numeric(10,2) NOT NULL,
    vat_amount_chf           numeric(10,2) NOT NULL,
    rounding_chf             numeric(10,2) NOT NULL DEFAULT 0
                                           CHECK (rounding_chf BETWEEN -0.02 AND 0.02),  -- to the nearest 5 Rappen
    total_chf                numeric(10,2) NOT NULL,
    payment_reference        text,
    creditor_iban            text,
    basis                    jsonb         NOT NULL,  -- what it was computed from
    basis_sha256             bytea         NOT NULL CHECK (octet_length(basis_sha256) = 32),
    created_by               text          NOT NULL,
    -- set once after issue
    pdf                      bytea,
    pdf_sha256               bytea         CHECK (pdf_sha256 = sha256(pdf)),
    sent_at                  timestamptz   CHECK (isfinite(sent_at)),
    paid_at                  timestamptz   CHECK (isfinite(paid_at)),
    paid_method              text,
    paid_note                text,
    stripe_payment_intent_id text          UNIQUE,
    cancelled_at             timestamptz   CHECK (isfinite(cancelled_at)),
    UNIQUE (number_year, number_seq),
    -- The date on the document, and the year that counts it, are those of Zurich.
    CHECK (issue_date = (issued_at AT TIME ZONE 'Europe/Zurich')::date),
    CHECK (number_year = extract(year FROM issue_date)),
    CHECK (due_date >= issue_date),
    CHECK ((document_kind = 'credit_note') = (corrects_invoice_id IS NOT NULL)),
    CHECK ((period_start IS NULL) = (period_end IS NULL)),
    CHECK (period_start < period_end),
    CHECK (billing_kind = 'manual' OR period_start IS NOT NULL),
    CHECK (total_chf = subtotal_chf + vat_amount_chf + rounding_chf),
    CHECK (CASE document_kind
               WHEN 'invoice' THEN subtotal_chf BETWEEN 0 AND 99999999.99
                   AND vat_amount_chf BETWEEN 0 AND 99999999.99 AND total_chf BETWEEN 0 AND 99999999.99
               ELSE subtotal_chf BETWEEN -99999999.99 AND 0
                   AND vat_amount_chf BETWEEN -99999999.99 AND 0 AND total_chf BETWEEN -99999999.99 AND 0
           END),
    CHECK ((pdf IS NULL) = (pdf_sha256 IS NULL)),
    CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CHECK (status = 'paid' OR (paid_method IS NULL AND paid_note IS NULL))
);
CREATE INDEX invoices_org ON public.invoices (zitadel_org_id, issue_date DESC);
CREATE INDEX invoices_corrects ON public.invoices (corrects_invoice_id) WHERE corrects_invoice_id IS NOT NULL;

-- Denies by default: every column is compared, a short list may change, and a column added later is frozen until
-- somebody lists it. Compared as text, because jsonb takes 1.0 and 1.00 for equal and a print does not.
-- Paid and cancelled are final: what was wrong about a paid invoice is put right by a credit note.
CREATE FUNCTION ledger.freeze_invoice() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    set_once CONSTANT text[] := ARRAY['pdf', 'pdf_sha256', 'sent_at', 'paid_at', 'paid_method', 'paid_note',
                                      'stripe_payment_intent_id', 'cancelled_at'];
    old_row CONSTANT jsonb := to_jsonb(OLD);
    frozen CONSTANT text := (
        SELECT string_agg(after.key, ', ' ORDER BY after.key)
        FROM jsonb_each(to_jsonb(NEW)) AS after
        WHERE after.value::text IS DISTINCT FROM (old_row -> after.key)::text
          AND NOT (after.key = ANY (set_once) AND old_row -> after.key = 'null')
          AND NOT (after.key = 'status' AND OLD.status = 'issued')
    );
BEGIN
    IF frozen IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = format('invoice %s is issued, these are frozen: %s', OLD.invoice_number, frozen),
            HINT = 'Correct an issued invoice with a credit note and a new invoice.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER frozen BEFORE UPDATE ON public.invoices
    FOR EACH ROW EXECUTE FUNCTION ledger.freeze_invoice();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.invoices
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('An issued invoice stays: cancel it, or issue a credit note.');
ALTER TABLE public.invoices ENABLE ALWAYS TRIGGER frozen, ENABLE ALWAYS TRIGGER kept;

-- A credit takes a negative quantity. Postgres rounds halves away from zero, so a credit mirrors its line exactly.
CREATE TABLE public.invoice_lines (
    id               bigint        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id       bigint        NOT NULL REFERENCES public.invoices,
    position         integer       NOT NULL CHECK (position > 0),
    line_kind        text          NOT NULL,
    description      text          NOT NULL,
    tenant_uid       uuid,
    tenant_name      text,
    skill_id         text,
    service_start    date          NOT NULL CHECK (isfinite(service_start)),
    service_end      date          NOT NULL CHECK (isfinite(service_end)),  -- exclusive
    quantity         numeric(12,4) NOT NULL CHECK (quantity BETWEEN -99999999.9999 AND 99999999.9999),
    unit             text          NOT NULL,
    unit_price_chf   numeric(10,5) NOT NULL CHECK (unit_price_chf BETWEEN 0 AND 99999.99999),
    proration_days   integer       NOT NULL DEFAULT 1,
    proration_of     integer       NOT NULL DEFAULT 1 CHECK (proration_of BETWEEN 1 AND 366),  -- at most a leap year
    amount_chf       numeric(10,2) NOT NULL,
    vat_rate         numeric(5,2)  NOT NULL CHECK (vat_rate BETWEEN 0 AND 100),  -- per cent, at the date of service
    corrects_line_id bigint        REFERENCES public.invoice_lines,
    basis            jsonb,
    UNIQUE (invoice_id, position),
    CHECK (service_start < service_end),
    CHECK (proration_days BETWEEN 0 AND proration_of),
    -- Multiplied before it is divided: a product of 9 decimals over at most 366 is never closer than 2.7e-12 to half
    -- a Rappen without being on it, and Postgres divides amounts below 1e8 to 12 digits or more.
    CHECK (amount_chf = round(quantity * unit_price_chf * proration_days / proration_of, 2))
);
CREATE INDEX invoice_lines_corrects ON public.invoice_lines (corrects_line_id) WHERE corrects_line_id IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.invoice_lines
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('Lines are append-only: correct one with a line of a credit note.');
ALTER TABLE public.invoice_lines ENABLE ALWAYS TRIGGER append_only;

-- Reminders that were sent, with what was sent.
CREATE TABLE public.invoice_reminders (
    id              bigint        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id      bigint        NOT NULL REFERENCES public.invoices,
    level           smallint      NOT NULL CHECK (level BETWEEN 1 AND 3),
    sent_at         timestamptz   NOT NULL CHECK (isfinite(sent_at)),
    sent_to         text[]        NOT NULL CHECK (cardinality(sent_to) > 0),
    channel         text          NOT NULL,
    message_id      text,
    language        text          NOT NULL CHECK (language ~ '^[a-z]{2}$'),
    new_due_date    date          NOT NULL CHECK (isfinite(new_due_date)),
    open_amount_chf numeric(10,2) NOT NULL CHECK (open_amount_chf BETWEEN 0 AND 99999999.99),
    fee_chf         numeric(10,2) NOT NULL DEFAULT 0 CHECK (fee_chf BETWEEN 0 AND 99999999.99),
    pdf             bytea         NOT NULL,
    pdf_sha256      bytea         NOT NULL CHECK (pdf_sha256 = sha256(pdf)),
    created_by      text          NOT NULL,
    UNIQUE (invoice_id, level)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.invoice_reminders
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change('A reminder that was sent was sent: send the next level.');
ALTER TABLE public.invoice_reminders ENABLE ALWAYS TRIGGER append_only;
