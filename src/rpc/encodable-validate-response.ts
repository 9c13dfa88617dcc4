import type { DescField } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { SessionSchema } from "../../gen/es/sessiond/v1/session_pb.ts";
import {
  type ValidateResponse,
  ValidateResponseSchema,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { authenticatedAt } from "../session/authentication.ts";
import { type Instant, wholeSeconds } from "../session/clock.ts";
import type { TimeoutPolicy } from "../session/policy.ts";
import { endAt, idleExpiresAt, type Session, stateAt, timeLeft } from "../session/session.ts";
import type { ValidatedSession } from "../session/sessions.ts";
import {
  delimited,
  delimitedWireType,
  maxUtf8BytesPerUnit,
  prefixBytes,
  scratch,
  scratchBytes,
  toEnvelope,
  writeString,
  writeVarint,
} from "../wire/message-writer.ts";
import { sessionStates, validateResponse } from "./responses.ts";

/** The end of the year 9999, the last time that a Timestamp has. */
const MAX_INSTANT = 253_402_300_799_999;
const MAX_UINT32 = 0xffff_ffff;
/** More than all but the text takes, and than the tag and the lengths of one text take. */
const MAX_FIXED_BYTES = 512;
const MAX_TEXT_OVERHEAD_BYTES = 16;
/** The length of nearly every session takes two bytes. */
const SESSION_LENGTH_BYTES = 2;

/** The tags of the fields, for text and messages or for numbers. */
const delimitedTag = ({ number }: DescField) => number * 8 + delimitedWireType;
const numberTag = ({ number }: DescField) => number * 8;

const session = SessionSchema.field;
const ID = delimitedTag(session.id);
const TENANT_ID = delimitedTag(session.tenantId);
const ACTOR_ID = delimitedTag(session.actorId);
const ACTOR_TYPE = delimitedTag(session.actorType);
const APP_TYPE = delimitedTag(session.appType);
const STATE = numberTag(session.state);
const PRE_LOGIN = numberTag(session.preLogin);
const CREATED_AT = delimitedTag(session.createdAt);
const LAST_SEEN_AT = delimitedTag(session.lastSeenAt);
const IDLE_EXPIRES_AT = delimitedTag(session.idleExpiresAt);
const ABSOLUTE_EXPIRES_AT = delimitedTag(session.absoluteExpiresAt);
const REVOKED_AT = delimitedTag(session.revokedAt);
const ENDED_AT = delimitedTag(session.endedAt);
const REVOKE_REASON = delimitedTag(session.revokeReason);
const REVOKED_BY = delimitedTag(session.revokedBy);
const IP_ADDRESS = delimitedTag(session.ipAddress);
const USER_AGENT = delimitedTag(session.userAgent);
const SIGNING_KEY_ID = delimitedTag(session.signingKeyId);
const METADATA = delimitedTag(session.metadata);
const END_REASON = delimitedTag(session.endReason);
const AUTH_LEVEL = numberTag(session.authLevel);
const AUTH_METHODS = delimitedTag(session.authMethods);
const AUTHENTICATED_AT = delimitedTag(session.authenticatedAt);
const METADATA_ETAG = delimitedTag(session.metadataEtag);

/** Of an entry of a map. */
const KEY = 1 * 8 + delimitedWireType;
const VALUE = 2 * 8 + delimitedWireType;

const SECONDS = numberTag(TimestampSchema.field.seconds);
const NANOS = numberTag(TimestampSchema.field.nanos);

const response = ValidateResponseSchema.field;
const SESSION = delimitedTag(response.session);
const SECONDS_LEFT = numberTag(response.secondsLeft);
const IDLE_SECONDS_LEFT = numberTag(response.idleSecondsLeft);
const ABSOLUTE_SECONDS_LEFT = numberTag(response.absoluteSecondsLeft);
const EXPIRY_WARNING = numberTag(response.expiryWarning);
const TOUCHED = numberTag(response.touched);
const TOKEN = delimitedTag(response.token);
const TOKEN_EXPIRES_AT = delimitedTag(response.tokenExpiresAt);

/**
 * The response of Validate, which encodes itself from the session: with the message and those that it
 * consists of, and with the encoder for all messages, it takes three times as long. The structure is that
 * of the server's EncodableResponse; `toMessage` says what the bytes have to be.
 */
export class EncodableValidateResponse {
  readonly session: Session;
  readonly #validated: ValidatedSession;
  readonly #policy: TimeoutPolicy;

  constructor(validated: ValidatedSession, policy: TimeoutPolicy) {
    this.session = validated.session;
    this.#validated = validated;
    this.#policy = policy;
  }

  toMessage(): ValidateResponse {
    return validateResponse(this.#validated, this.#policy);
  }

  /** Undefined if a value is not usual, or there is too much text for the buffer. */
  toEnvelope(): Buffer | undefined {
    const { session, now, touched, token } = this.#validated;
    if (!isUsual(session, token?.token.length ?? 0)) return undefined;
    const { idleMs, absoluteMs, warning } = timeLeft(session, now, this.#policy);
    if (Math.max(idleMs, absoluteMs) / 1000 > MAX_UINT32) return undefined;

    const lengthAt = writeVarint(SESSION, prefixBytes);
    const start = lengthAt + SESSION_LENGTH_BYTES;
    let at = delimited(lengthAt, start, writeSession(session, now, start));
    at = writeNumber(SECONDS_LEFT, wholeSeconds(Math.min(idleMs, absoluteMs)), at);
    at = writeNumber(IDLE_SECONDS_LEFT, wholeSeconds(idleMs), at);
    at = writeNumber(ABSOLUTE_SECONDS_LEFT, wholeSeconds(absoluteMs), at);
    at = writeNumber(EXPIRY_WARNING, Number(warning), at);
    at = writeNumber(TOUCHED, Number(touched), at);
    if (token !== undefined) {
      at = writeText(TOKEN, token.token, at);
      at = writeTimestamp(TOKEN_EXPIRES_AT, token.expiresAt, at);
    }
    return toEnvelope(at);
  }
}

/** Whether the session has room in the buffer, and no number that is out of its range or negative. */
function isUsual(session: Session, tokenUnits: number): boolean {
  const { createdAt, lastSeenAt, absoluteExpiresAt, authLevel, metadata, authMethods } = session;
  let units =
    tokenUnits +
    session.id.length +
    session.tenantId.length +
    session.actorId.length +
    session.actorType.length +
    session.appType.length +
    2 * session.revokeReason.length +
    session.revokedBy.length +
    session.ipAddress.length +
    session.userAgent.length +
    session.signingKeyId.length +
    session.metadataEtag.length;
  for (const key in metadata) {
    units += MAX_TEXT_OVERHEAD_BYTES + key.length + (metadata[key] as string).length;
  }
  for (const method of authMethods) units += MAX_TEXT_OVERHEAD_BYTES + method.length;
  return (
    MAX_FIXED_BYTES + units * maxUtf8BytesPerUnit <= scratchBytes &&
    isInRange(createdAt) &&
    isInRange(lastSeenAt) &&
    isInRange(idleExpiresAt(session)) &&
    isInRange(absoluteExpiresAt) &&
    isInRange(session.revokedAt ?? 0) &&
    isInRange(session.authenticatedAt ?? 0) &&
    authLevel >= 0
  );
}

function isInRange(instant: Instant): boolean {
  return instant >= 0 && instant <= MAX_INSTANT;
}

/** In the order of the fields' numbers, as protobuf-es does it. */
function writeSession(session: Session, now: Instant, start: number): number {
  const end = endAt(session, now);
  let at = writeText(ID, session.id, start);
  at = writeText(TENANT_ID, session.tenantId, at);
  at = writeText(ACTOR_ID, session.actorId, at);
  at = writeText(ACTOR_TYPE, session.actorType, at);
  at = writeText(APP_TYPE, session.appType, at);
  at = writeNumber(STATE, sessionStates[stateAt(session, now)], at);
  at = writeNumber(PRE_LOGIN, Number(session.preLogin), at);
  at = writeTimestamp(CREATED_AT, session.createdAt, at);
  at = writeTimestamp(LAST_SEEN_AT, session.lastSeenAt, at);
  at = writeTimestamp(IDLE_EXPIRES_AT, idleExpiresAt(session), at);
  at = writeTimestamp(ABSOLUTE_EXPIRES_AT, session.absoluteExpiresAt, at);
  at = writeTimestamp(REVOKED_AT, session.revokedAt, at);
  at = writeTimestamp(ENDED_AT, end?.at, at);
  at = writeText(REVOKE_REASON, session.revokeReason, at);
  at = writeText(REVOKED_BY, session.revokedBy, at);
  at = writeText(IP_ADDRESS, session.ipAddress, at);
  at = writeText(USER_AGENT, session.userAgent, at);
  at = writeText(SIGNING_KEY_ID, session.signingKeyId, at);
  at = writeMetadata(session.metadata, at);
  at = writeText(END_REASON, end?.reason ?? "", at);
  at = writeNumber(AUTH_LEVEL, session.authLevel, at);
  for (const method of session.authMethods) at = writeString(method, writeVarint(AUTH_METHODS, at));
  at = writeTimestamp(AUTHENTICATED_AT, authenticatedAt(session), at);
  return writeText(METADATA_ETAG, session.metadataEtag, at);
}

function writeText(tag: number, text: string, at: number): number {
  return text === "" ? at : writeString(text, writeVarint(tag, at));
}

function writeNumber(tag: number, value: number, at: number): number {
  return value === 0 ? at : writeVarint(value, writeVarint(tag, at));
}

function writeTimestamp(tag: number, instant: Instant | undefined, at: number): number {
  if (instant === undefined) return at;
  const lengthAt = writeVarint(tag, at);
  const start = lengthAt + 1;
  const seconds = Math.floor(instant / 1000);
  const secondsEnd = writeNumber(SECONDS, seconds, start);
  const end = writeNumber(NANOS, (instant - seconds * 1000) * 1_000_000, secondsEnd);
  scratch[lengthAt] = end - start;
  return end;
}

function writeMetadata(metadata: Readonly<Record<string, string>>, start: number): number {
  let at = start;
  for (const key in metadata) {
    const lengthAt = writeVarint(METADATA, at);
    const keyEnd = writeString(key, writeVarint(KEY, lengthAt + 1));
    const end = writeString(metadata[key] as string, writeVarint(VALUE, keyEnd));
    at = delimited(lengthAt, lengthAt + 1, end);
  }
  return at;
}
