/** The settings of the authorization service for Envoy. */

import * as parsers from "./parsers.ts";
import { type SettingGroup, setting } from "./setting.ts";

export const envoy = {
  SESSIOND_EXT_AUTHZ_TOUCH: setting(parsers.boolean, {
    default: "true",
    doc:
      "Whether an allowed request also records activity, as Touch does. A route can switch it off; see " +
      "[envoy.md](envoy.md#routes).",
  }),
  SESSIOND_EXT_AUTHZ_CSRF_HEADER: setting(parsers.headerName, {
    default: "x-csrf-token",
    doc: "The request header with the CSRF token, which unsafe methods such as POST need.",
  }),
  SESSIOND_EXT_AUTHZ_LOGIN_URL: setting(parsers.loginUrl, {
    unset: "a navigation is refused like any other request",
    doc:
      "Where a browser's navigation without a live session is redirected to. `{url}` stands for the URL " +
      "that was asked for, `{path}` for its path and query, both percent-encoded, such as " +
      "`/login?next={path}`. The login page must not redirect to other origins.",
  }),
  SESSIOND_EXT_AUTHZ_TRUSTED_HOPS: setting(parsers.integer(0, 10), {
    default: "0",
    doc:
      "The number of trusted proxies before Envoy, as Envoy's `xff_num_trusted_hops`. With 0, the " +
      "client's address is that of Envoy's connection. With n, it is the one that n others follow in " +
      "x-forwarded-for, which requires Envoy's `use_remote_address: true`: without it, the header is only " +
      "the client's word.",
  }),
  SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE: setting(parsers.text, {
    unset: "upstreams get no token",
    doc:
      "The audience of the token that upstreams get, one of SESSIOND_TOKEN_AUDIENCES. An upstream that " +
      "goes by the token accepts a revoked session until the token expires; see [tokens.md](tokens.md).",
  }),
  SESSIOND_EXT_AUTHZ_TOKEN_HEADER: setting(parsers.headerName, {
    default: "x-session-token",
    doc:
      "The header in which upstreams get the token. In `authorization`, it follows `Bearer `. It requires " +
      "SESSIOND_EXT_AUTHZ_TOKEN_AUDIENCE.",
  }),
} satisfies SettingGroup;
