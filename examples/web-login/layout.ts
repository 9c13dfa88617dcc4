import { type Html, html } from "./html.ts";
import { duration } from "./times.ts";

/** What the pages of somebody who is logged in need to know. */
export interface Visitor {
  readonly displayName: string;
  readonly csrfToken: string;
  /** The page's own path, which forms come back to. */
  readonly path: string;
  readonly expiry: Expiry;
}

/** When the session ends. The script of the pages gets the same from `/session/status`. */
export interface Expiry {
  readonly secondsLeft: number;
  /** Whether it is time to tell the user. */
  readonly warning: boolean;
  /** False if the session ends however active the user is. */
  readonly canStay: boolean;
}

interface Page {
  readonly title: string;
  readonly main: Html;
  /** Undefined on pages that anybody may see. */
  readonly visitor?: Visitor;
}

const NAVIGATION = [
  { path: "/", label: "Account" },
  { path: "/sessions", label: "Sessions" },
];

/** A whole document. */
export function layout({ title, main, visitor }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · web-login</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style.css">
${visitor && html`<script type="module" src="/static/expiry.js"></script>`}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<div class="top-inner">
<a class="brand" href="/">${KEY}<span>web-login</span></a>
${visitor && navigation(visitor)}
</div>
</header>
<main id="main" tabindex="-1">
${main}
</main>
${visitor && expiryNotices(visitor)}
</body>
</html>
`.markup;
}

/** The token that proves that a form is one of ours. */
export function csrfField(token: string): Html {
  return html`<input type="hidden" name="csrf_token" value="${token}">`;
}

function navigation({ path, csrfToken }: Visitor): Html {
  const links = NAVIGATION.map((link) =>
    link.path === path
      ? html`<a href="${link.path}" aria-current="page">${link.label}</a>`
      : html`<a href="${link.path}">${link.label}</a>`,
  );
  return html`<nav aria-label="Main" data-personal>
${links}
<form method="post" action="/logout">
${csrfField(csrfToken)}<button class="quiet" type="submit">Log out</button>
</form>
</nav>`;
}

/** Shown by the script in time; without a script, only if it was time when the page was made. */
function expiryNotices({ csrfToken, path, expiry }: Visitor): Html {
  const { secondsLeft, canStay, warning } = expiry;
  const hidden = (condition: boolean) => (condition ? html` hidden` : undefined);
  return html`<aside class="expiry" id="expiry" aria-label="Your session"${hidden(!warning)}
data-seconds-left="${secondsLeft}" data-warning="${String(warning)}" data-can-stay="${String(canStay)}">
<div class="expiry-inner">
<p><strong>You will be logged out in <span id="expiry-left">${duration(secondsLeft, Math.floor)}</span>.</strong>
<span data-when="can-stay"${hidden(!canStay)}>You have not done anything for a while.</span>
<span data-when="must-end"${hidden(canStay)}>Every session ends after a fixed time. Save your work,
then log in again.</span>
<span data-when="failed" hidden>That did not work. Try again.</span></p>
<form id="stay" method="post" action="/session/stay"${hidden(!canStay)}>
${csrfField(csrfToken)}<input type="hidden" name="next" value="${path}">
<button type="submit">Stay logged in</button>
</form>
</div>
</aside>
<section class="card ended" id="ended" hidden>
<h1 tabindex="-1">You have been logged out</h1>
<p>Your session has ended. What this page showed is hidden, and what was not saved was not sent.</p>
<p><a class="button" href="/login">Log in again</a></p>
</section>
<p class="visually-hidden" id="expiry-announcement" role="status"></p>`;
}

const KEY = html`<svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">
<circle cx="8" cy="12" r="4.5" fill="none" stroke="currentColor" stroke-width="2.5"/>
<path d="M12.5 12H22M18 12v4" fill="none" stroke="currentColor" stroke-width="2.5" stroke-linecap="round"/>
</svg>`;
