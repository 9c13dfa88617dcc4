/** The settings of the commands that call a running sessiond. The service does not use them. */

import * as keyParsers from "./key-parsers.ts";
import * as parsers from "./parsers.ts";
import { type SettingGroup, setting } from "./setting.ts";

export const commandLine = {
  SESSIOND_CLI_ADDRESS: setting(parsers.serviceAddress, {
    unset: "where SESSIOND_HOST and SESSIOND_PORT say that sessiond listens",
    doc:
      "The address of the service that commands such as `sessiond sessions list` call. This and the next " +
      "settings are for these commands only; the service ignores them. See [cli.md](cli.md).",
  }),
  SESSIOND_CLI_TOKEN: setting(parsers.text, {
    secret: true,
    file: true,
    unset: "no token",
    doc: "The token of the command line, if callers are authenticated. `sessiond token create` makes one.",
  }),
  SESSIOND_CLI_CA: setting(keyParsers.certificateAuthorities, {
    file: true,
    unset: "the certificate authorities of Node.js and NODE_EXTRA_CA_CERTS",
    doc: "The certificates of the authorities that have signed the service's certificate.",
  }),
  SESSIOND_CLI_CERT: setting(keyParsers.certificate, {
    file: true,
    unset: "no client certificate",
    doc: "The certificate of the command line (mutual TLS). It requires SESSIOND_CLI_KEY.",
  }),
  SESSIOND_CLI_KEY: setting(keyParsers.privateKey, {
    secret: true,
    file: true,
    doc: "The private key of SESSIOND_CLI_CERT in PEM form, without a passphrase.",
  }),
  SESSIOND_CLI_SERVER_NAME: setting(parsers.host, {
    unset: "the host of the address",
    doc: "The name that the service's certificate must have.",
  }),
  SESSIOND_CLI_ACTOR: setting(parsers.actingActor, {
    unset: "`cli:<user>@<host>`",
    doc: "Who the audit says has made a change by a command.",
  }),
  SESSIOND_CLI_TIMEOUT: setting(parsers.duration("100ms", "10m"), {
    default: "10s",
    doc: "How long a command waits for each answer of the service.",
  }),
} satisfies SettingGroup;
