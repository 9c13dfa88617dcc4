import { ErrorReason, type SessionError } from "../../clients/typescript/src/index.ts";
import type { LoginNotice, Message } from "./pages.ts";

const NOTICES: Readonly<Partial<Record<ErrorReason, LoginNotice>>> = {
  [ErrorReason.EXPIRED_IDLE]: "expired",
  [ErrorReason.EXPIRED_ABSOLUTE]: "expired",
  [ErrorReason.REVOKED]: "revoked",
};

/** The parameter of the login form that says why one has to log in again, if there is a reason. */
export function loginNoticeFor({ reason }: SessionError): { notice?: LoginNotice } {
  const notice = NOTICES[reason];
  return notice === undefined ? {} : { notice };
}

/** A page that does not exist. */
export const NOT_FOUND: Message = {
  title: "There is no such page",
  text: "The address may be mistyped, or the page has moved.",
  action: { href: "/", label: "Go to your account" },
};

export const NO_SUCH_SESSION: Message = {
  title: "There is no such session",
  text: "It may have ended in the meantime. No session was changed.",
  action: { href: "/sessions", label: "See your sessions" },
};

/** For what is the application's fault, or a request that no page of it makes. */
export const FAILED: Message = {
  title: "Something went wrong",
  text: "It is our mistake, not yours. Your session is not affected.",
  action: { href: "/", label: "Go to your account" },
};

/**
 * What a failed check of the session means for the user.
 *
 * @param isSafe whether the request only asked for a page; otherwise it has changed nothing
 * @param page where the user can go on, a path of this site
 */
export function messageFor(error: SessionError, isSafe: boolean, page: string): Message {
  switch (error.browserStatus) {
    case 401:
      return {
        title: "You are not logged in",
        text: "What you sent was not accepted, and nothing was changed. Log in and send it again.",
        action: { href: `/login?next=${encodeURIComponent(page)}`, label: "Log in" },
      };
    case 403:
      return {
        title: "This form is not valid",
        text: "It is out of date, or another site has sent it. Nothing was changed. Open the page again and repeat what you did.",
        action: { href: page, label: "Open the page again" },
      };
    case 409:
      return {
        title: "Too many sessions",
        text: "You are logged in on as many devices as are allowed. Log out on one of them first.",
        action: { href: "/login", label: "Log in" },
      };
    case 429:
    case 503:
      return {
        title: "Please try again in a moment",
        text: isSafe
          ? "We cannot check your session at the moment. You are not logged out."
          : "We cannot check your session at the moment. You are not logged out, but what you sent may not be saved.",
        action: { href: page, label: "Try again" },
      };
    default:
      return FAILED;
  }
}
