-- Written by scripts/schema.ts from what the migrations make: do not edit.

CREATE TABLE audit_events (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  occurred_at timestamp with time zone NOT NULL,
  category text COLLATE "C" NOT NULL,
  action text COLLATE "C" NOT NULL,
  acting_actor_id text COLLATE "C" NOT NULL,
  calling_service text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  resource_type text COLLATE "C" NOT NULL,
  resource_id text COLLATE "C" NOT NULL,
  details jsonb NOT NULL,
  CONSTRAINT audit_events_pkey PRIMARY KEY (id)
);

CREATE INDEX audit_events_by_acting_actor ON public.audit_events USING btree (tenant_id, acting_actor_id, id);
CREATE INDEX audit_events_by_resource ON public.audit_events USING btree (tenant_id, resource_id, id);
CREATE INDEX audit_events_by_tenant ON public.audit_events USING btree (tenant_id, id);

CREATE TABLE schema_migrations (
  id integer NOT NULL DEFAULT nextval('schema_migrations_id_seq'::regclass),
  "timestamp" bigint NOT NULL,
  name character varying NOT NULL,
  CONSTRAINT "PK_62441bec32630ced9e4cccae336" PRIMARY KEY (id)
);

CREATE TABLE sessions (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  actor_type text COLLATE "C" NOT NULL,
  actor_id text COLLATE "C" NOT NULL,
  app_type text COLLATE "C" NOT NULL,
  pre_login boolean NOT NULL,
  created_at timestamp with time zone NOT NULL,
  last_seen_at timestamp with time zone NOT NULL,
  idle_timeout_seconds integer NOT NULL,
  absolute_expires_at timestamp with time zone NOT NULL,
  revoked_at timestamp with time zone,
  revoke_reason text NOT NULL DEFAULT ''::text,
  revoked_by text NOT NULL DEFAULT ''::text,
  ip_address text NOT NULL,
  user_agent text NOT NULL,
  signing_key_id text COLLATE "C" NOT NULL,
  csrf_token_hash bytea NOT NULL,
  metadata jsonb NOT NULL,
  auth_level integer NOT NULL DEFAULT 0,
  auth_methods jsonb NOT NULL DEFAULT '[]'::jsonb,
  authenticated_at timestamp with time zone,
  metadata_etag bigint NOT NULL DEFAULT 1,
  rotated_to text COLLATE "C",
  rotation_grace_until timestamp with time zone,
  CONSTRAINT sessions_pkey PRIMARY KEY (id),
  CONSTRAINT sessions_check CHECK ((pre_login OR ((actor_type <> ''::text) AND (actor_id <> ''::text)))),
  CONSTRAINT sessions_csrf_token_hash_check CHECK ((octet_length(csrf_token_hash) = 32)),
  CONSTRAINT sessions_idle_timeout_seconds_check CHECK ((idle_timeout_seconds > 0)),
  CONSTRAINT sessions_tenant_id_check CHECK ((tenant_id <> ''::text)),
  CONSTRAINT sessions_user_agent_check CHECK ((char_length(user_agent) <= 512))
) WITH (fillfactor=85);

CREATE INDEX sessions_by_absolute_deadline ON public.sessions USING btree (absolute_expires_at);
CREATE INDEX sessions_by_actor ON public.sessions USING btree (tenant_id, actor_type, actor_id, created_at DESC, id DESC);
CREATE INDEX sessions_by_signing_key ON public.sessions USING btree (signing_key_id);
CREATE INDEX sessions_pre_login_by_absolute_deadline ON public.sessions USING btree (absolute_expires_at) WHERE pre_login;

CREATE TABLE signing_keys (
  id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  encrypted_key bytea NOT NULL,
  key_encryption_key_id text COLLATE "C" NOT NULL,
  created_at timestamp with time zone NOT NULL,
  retired_at timestamp with time zone,
  CONSTRAINT signing_keys_pkey PRIMARY KEY (id),
  CONSTRAINT signing_keys_tenant_id_check CHECK ((tenant_id <> ''::text))
);

CREATE INDEX signing_keys_by_tenant ON public.signing_keys USING btree (tenant_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX signing_keys_one_active_per_tenant ON public.signing_keys USING btree (tenant_id) WHERE (retired_at IS NULL);
CREATE INDEX signing_keys_retired ON public.signing_keys USING btree (retired_at) WHERE (retired_at IS NOT NULL);

CREATE TABLE token_keys (
  id text COLLATE "C" NOT NULL,
  algorithm text COLLATE "C" NOT NULL,
  encrypted_key bytea NOT NULL,
  key_encryption_key_id text COLLATE "C" NOT NULL,
  created_at timestamp with time zone NOT NULL,
  signs_from timestamp with time zone NOT NULL,
  published_until timestamp with time zone,
  CONSTRAINT token_keys_pkey PRIMARY KEY (id),
  CONSTRAINT token_keys_algorithm_check CHECK ((algorithm = ANY (ARRAY['ES256'::text, 'EdDSA'::text])))
);

CREATE INDEX token_keys_by_creation ON public.token_keys USING btree (created_at DESC, id DESC);
CREATE INDEX token_keys_by_end ON public.token_keys USING btree (published_until);
CREATE UNIQUE INDEX token_keys_one_without_end ON public.token_keys USING btree (((published_until IS NULL))) WHERE (published_until IS NULL);
