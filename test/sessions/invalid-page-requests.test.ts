import { expect } from "chai";
import { newActor, newTenant, openSession, type TestActor } from "../support/actors.ts";
import type { SessionClient } from "../support/app.ts";
import {
  type BadInputApp,
  itRefuses,
  startBadInputApp,
  withoutTrace,
} from "../support/bad-input.ts";

const actingActorId = "operator";
const tokenMessage = "page_token must be next_page_token of the same request's page before";

type Page = { readonly pageSize?: number; readonly pageToken?: string };

/** A token is `[scope, ...position]` as JSON in base64url; this replaces the position. */
function withPosition(token: string, ...position: readonly unknown[]): string {
  const [scope] = JSON.parse(Buffer.from(token, "base64url").toString()) as unknown[];
  return encoded([scope, ...position]);
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

describe("bad input: page_size and page_token", () => {
  let app: BadInputApp;
  let actor: TestActor;
  /** The genuine token of the second page of each list. */
  const tokens: Record<string, string> = {};

  const lists: Record<
    string,
    (client: SessionClient, page: Page) => Promise<{ nextPageToken: string }>
  > = {
    List: (client, page) => client.list({ actor, ...page }),
    ListSigningKeys: (client, page) =>
      client.listSigningKeys({ tenantId: actor.tenantId, ...page }),
    ListAuditEvents: (client, page) =>
      client.listAuditEvents({ tenantId: actor.tenantId, ...page }),
  };

  const itemsOf: Record<string, string> = {
    List: "sessions",
    ListSigningKeys: "signingKeys",
    ListAuditEvents: "auditEvents",
  };

  before(async () => {
    app = await startBadInputApp();
    actor = newActor({ tenantId: newTenant() });
    for (let made = 0; made < 3; made += 1) {
      await openSession(app.client, { actor });
      await app.client.rotateSigningKey({ tenantId: actor.tenantId, actingActorId });
    }
    for (const [rpc, list] of Object.entries(lists)) {
      tokens[rpc] = (await list(app.client, { pageSize: 1 })).nextPageToken;
    }
  });
  after(() => app.stop());

  const sizes: Record<string, number> = {
    "-1": -1,
    "one too many": 201,
    "the largest int32": 2 ** 31 - 1,
    "the smallest int32": -(2 ** 31),
  };
  const badTokens: Record<string, (rpc: string) => string> = {
    "of one character": () => "x",
    "that is blank": () => " ",
    "that is not ASCII": () => "\u{1f98a}",
    "that is not base64": () => "!!!",
    "that is not JSON": () => Buffer.from("nonsense").toString("base64url"),
    "that holds an object": () => encoded({ scope: "x" }),
    "that holds null": () => encoded(null),
    "that holds nothing": () => encoded([]),
    "that holds numbers": () => encoded([1, 2, 3]),
    "that nests arrays a thousand deep": () => Buffer.from("[".repeat(380)).toString("base64url"),
    "that holds a list": () => encoded([[]]),
    "of another scope": (rpc) => encoded(["A".repeat(22), ...positionOf(rpc)]),
    "without a position": (rpc) => withPosition(tokens[rpc] ?? ""),
    "with an empty position": (rpc) => withPosition(tokens[rpc] ?? "", "", ""),
    "with a negative position": (rpc) => withPosition(tokens[rpc] ?? "", "-1", "-1"),
    "with a position that ends in no id": (rpc) =>
      withPosition(tokens[rpc] ?? "", ...positionOf(rpc).slice(0, -1), "x-1"),
    "with a position in another notation": (rpc) => withPosition(tokens[rpc] ?? "", "1e3", "1e3"),
    "with a position too large for the database": (rpc) =>
      withPosition(tokens[rpc] ?? "", "9".repeat(19), "9".repeat(19)),
    "with SQL for a position": (rpc) =>
      withPosition(tokens[rpc] ?? "", "0' OR ''='", "ses-' OR ''='"),
    "with NUL in its position": (rpc) => withPosition(tokens[rpc] ?? "", "1\0", "ses-\0"),
    "with a position of the wrong type": (rpc) => withPosition(tokens[rpc] ?? "", 1, {}),
    "that is cut": (rpc) => (tokens[rpc] ?? "").slice(0, -4),
    "that is there twice": (rpc) => (tokens[rpc] ?? "").repeat(2),
    "of 513 characters": () => "A".repeat(513),
    "of 60 KB": () => "A".repeat(60_000),
    "with NUL": (rpc) => `\0${tokens[rpc]}`,
    "of another list": (rpc) => tokens[rpc === "List" ? "ListSigningKeys" : "List"] ?? "",
  };
  const positionOf = (rpc: string): unknown[] =>
    (JSON.parse(Buffer.from(tokens[rpc] ?? "", "base64url").toString()) as unknown[]).slice(1);

  for (const [rpc, list] of Object.entries(lists)) {
    itRefuses(
      () => app,
      [
        ...Object.entries(sizes).map(([what, pageSize]) => ({
          what: `${rpc} with a page_size of ${what}`,
          call: (client: SessionClient) => list(client, { pageSize }),
          field: "page_size",
          message: "page_size must be from 1 to 200, or 0 for 50",
        })),
        ...Object.entries(badTokens).map(([what, token]) => ({
          what: `${rpc} with a page_token ${what}`,
          call: (client: SessionClient) => list(client, { pageToken: token(rpc) }),
          field: "page_token",
          message: tokenMessage,
        })),
      ],
    );
  }

  const foreign: Record<string, (client: SessionClient) => Promise<unknown>> = {
    "List with a page_token of another actor": (client) =>
      client.list({ actor: newActor({ tenantId: actor.tenantId }), pageToken: tokens.List ?? "" }),
    "List with a page_token of the same actor in another tenant": (client) =>
      client.list({ actor: { ...actor, tenantId: "another" }, pageToken: tokens.List ?? "" }),
    "List with a page_token of the same id of another actor type": (client) =>
      client.list({ actor: { ...actor, actorType: "robot" }, pageToken: tokens.List ?? "" }),
    "List with a page_token of the list without ended sessions": (client) =>
      client.list({ actor, includeEnded: true, pageToken: tokens.List ?? "" }),
    "ListSigningKeys with a page_token of another tenant": (client) =>
      client.listSigningKeys({ pageToken: tokens.ListSigningKeys ?? "" }),
    "ListAuditEvents with a page_token of another tenant": (client) =>
      client.listAuditEvents({ pageToken: tokens.ListAuditEvents ?? "" }),
    "ListAuditEvents with a page_token of another filter": (client) =>
      client.listAuditEvents({
        tenantId: actor.tenantId,
        actingActorId,
        pageToken: tokens.ListAuditEvents ?? "",
      }),
  };
  itRefuses(
    () => app,
    Object.entries(foreign).map(([what, call]) => ({
      what,
      call,
      field: "page_token",
      message: tokenMessage,
    })),
  );

  const farthest: Record<string, readonly string[]> = {
    List: ["9".repeat(14), `ses-${"f".repeat(44)}`],
    ListSigningKeys: ["9".repeat(14), `sk-${"f".repeat(32)}`],
    ListAuditEvents: ["9".repeat(18)],
  };
  for (const [rpc, list] of Object.entries(lists)) {
    it(`a forged page_token of ${rpc} shows no more than the list itself`, async () => {
      const all = await list(app.client, {});
      const pageToken = withPosition(tokens[rpc] ?? "", ...(farthest[rpc] ?? []));

      const listed = await withoutTrace(app, () => list(app.client, { pageToken }));

      expect(listed).to.deep.equal(all);
      expect(all)
        .to.have.property(itemsOf[rpc] ?? "")
        .with.length.of.at.least(3);
    });
  }
});
