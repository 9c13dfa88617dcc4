/**
 * Who the users are and how they prove it. This is the application's own business: sessiond knows
 * neither passwords nor profiles. A real application stores a slow hash of each password, limits
 * failed attempts, and offers passkeys.
 */
import { createHash, timingSafeEqual } from "node:crypto";

/** The password of every demo user. The login form shows it. */
export const DEMO_PASSWORD = "demo-password";

const DEMO_NAMES = { alice: "Alice Archer", bob: "Bob Baker", carol: "Carol Carter" };

export const DEMO_USERS: readonly string[] = Object.keys(DEMO_NAMES);

/** The longest display name, in UTF-16 code units, as the `maxlength` of a form counts. */
export const MAX_NAME_LENGTH = 40;

/** The users of one running application. Changed names are lost when it ends. */
export interface Users {
  /** Returns the user's id, or undefined if name or password is wrong. */
  authenticate(name: string, password: string): string | undefined;
  displayName(userId: string): string;
  /** Returns what is wrong with the name, or undefined if it was changed. */
  rename(userId: string, displayName: string): string | undefined;
}

export function createUsers(): Users {
  const names = new Map(Object.entries(DEMO_NAMES));
  return {
    authenticate(name, password) {
      // Digests have equal lengths. The user is looked up last, so that the time tells nothing.
      const correct = timingSafeEqual(sha256(password), sha256(DEMO_PASSWORD));
      const userId = name.trim().toLowerCase();
      return correct && names.has(userId) ? userId : undefined;
    },
    displayName: (userId) => names.get(userId) ?? userId,
    rename(userId, displayName) {
      const name = displayName.trim();
      if (name === "") return "Enter a name.";
      if (name.length > MAX_NAME_LENGTH) return `Enter at most ${MAX_NAME_LENGTH} characters.`;
      names.set(userId, name);
      return undefined;
    },
  };
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
