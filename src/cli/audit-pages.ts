import type { ListAuditEventsResponse } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { MAX_PAGE_SIZE } from "./cli.ts";

/** How long to wait for new events, in milliseconds. */
export const POLL_MS = 1000;
/** How long to wait after a page that is not full, in milliseconds. */
export const PARTIAL_PAGE_MS = 100;

type Page = Pick<ListAuditEventsResponse, "auditEvents" | "nextPageToken">;

interface Paging {
  /** The range has no end: new events are waited for. */
  readonly isEndless: boolean;
  /** Gets the page with a token, "" for the first one, of MAX_PAGE_SIZE events at most. */
  fetch(pageToken: string): Promise<Page>;
  pause(ms: number): Promise<void>;
}

/**
 * The pages of ListAuditEvents, oldest first, until there is no next one. One page is held at a time: the next
 * one is fetched when the consumer asks for it.
 *
 * A page that is not full does not tell why: the service has read as many rows as one call reads, or later
 * events are not settled yet. At once, the next page could have one event more, or none. So there is a pause
 * after each of them. It is a short one if there may be pages of older events still to come.
 */
export async function* pagesInOrder({
  isEndless,
  fetch,
  pause,
}: Paging): AsyncGenerator<Page["auditEvents"]> {
  for (let pageToken = ""; ; ) {
    const { auditEvents, nextPageToken } = await fetch(pageToken);
    yield auditEvents;
    if (nextPageToken === "") return;
    const isFull = auditEvents.length >= MAX_PAGE_SIZE;
    const wasNothingRead = nextPageToken === pageToken;
    pageToken = nextPageToken;
    if (!isFull) await pause(isEndless || wasNothingRead ? POLL_MS : PARTIAL_PAGE_MS);
  }
}
