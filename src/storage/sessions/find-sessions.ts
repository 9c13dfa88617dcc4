import type { SessionId, SigningKeyId } from "../../session/ids.ts";
import type { CookieLookup, SessionSnapshot } from "../../session/session-store.ts";
import type { Execute } from "../pg/batcher.ts";
import { byId } from "../pg/columns.ts";
import type { Query, Row } from "../pg/database.ts";
import { instantOf, optionalInstantOf } from "../pg/instants.ts";
import { arrayParameter, NOW } from "../pg/sql.ts";
import { NO_SESSION, SESSION_COLUMNS, sessionOf, snapshotOf } from "./session-columns.ts";

export interface CookieIds {
  readonly id: SessionId;
  readonly signingKeyId: SigningKeyId;
}

/**
 * Returns separate rows for sessions and for keys; the rows of keys have `now`. This is cheaper than a
 * join, which repeats the key for each session (7.6 µs of PostgreSQL's time for a row instead of 8.3
 * in a batch of 64). It is still one statement, which reads both in the same snapshot.
 */
const FIND_BY_COOKIE = {
  name: "find_by_cookie",
  text: `
    SELECT ${SESSION_COLUMNS}, NULL::timestamptz AS retired_at, NULL::timestamptz AS now
    FROM sessions WHERE id = ANY (${arrayParameter(1, "text")})
    UNION ALL
    SELECT id, ${NO_SESSION}, retired_at, ${NOW}
    FROM signing_keys WHERE id = ANY (${arrayParameter(2, "text")})`,
};

/**
 * The same for one cookie. It takes a fifth less time: 150 µs from the call to the result instead of
 * 190. A read by primary key takes 130 µs.
 */
const FIND_ONE_BY_COOKIE = {
  name: "find_one_by_cookie",
  text: `
    SELECT keys.retired_at, ${NOW} AS now, found.*
    FROM signing_keys keys
    LEFT JOIN (SELECT ${SESSION_COLUMNS} FROM sessions) found
      ON found.id = $1 AND found.signing_key_id = keys.id
    WHERE keys.id = $2`,
};

const FIND = {
  name: "find",
  text: `SELECT ${SESSION_COLUMNS}, ${NOW} AS now FROM sessions WHERE id = ANY (${arrayParameter(1, "text")})`,
};

const NO_KEY: CookieLookup = { now: 0, signingKey: undefined, session: undefined };

/**
 * Finds the signing keys and sessions of a batch of cookies. A session is found only with the key that
 * signed its cookie.
 */
export function findByCookies(query: Query): Execute<CookieIds, CookieLookup> {
  return async (close, signal) => {
    const values = () => {
      const cookies = close();
      const [only] = cookies;
      if (only !== undefined && cookies.length === 1) return [only.id, only.signingKeyId];
      const keys = new Set(cookies.map(({ signingKeyId }) => signingKeyId));
      return [cookies.map(({ id }) => id), [...keys]];
    };
    const statement = ([ids]: readonly unknown[]) =>
      typeof ids === "string" ? FIND_ONE_BY_COOKIE : FIND_BY_COOKIE;
    const rows = await query(statement, values, signal);
    const cookies = close();
    if (cookies.length === 1) return [cookieLookup(rows[0], rows[0])];
    const found = byId(rows);
    return cookies.map(({ id, signingKeyId }) => {
      const row = found.get(id);
      return cookieLookup(
        found.get(signingKeyId),
        row?.signing_key_id === signingKeyId ? row : undefined,
      );
    });
  };
}

/** In `session`, all columns may be null: then there is no session. */
function cookieLookup(key: Row | undefined, session: Row | undefined): CookieLookup {
  if (key === undefined) return NO_KEY;
  return {
    now: instantOf(key.now),
    signingKey: { retiredAt: optionalInstantOf(key.retired_at) },
    session: session === undefined || session.id === null ? undefined : sessionOf(session),
  };
}

/** Finds a batch of sessions by id. */
export function findSessions(query: Query): Execute<SessionId, SessionSnapshot | undefined> {
  return async (close, signal) => {
    const rows = byId(await query(FIND, () => [close()], signal));
    return close().map((id) => snapshotOf(rows.get(id)));
  };
}
