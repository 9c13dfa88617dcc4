import { type Device, describeDevice } from "./device.ts";
import { type Html, html } from "./html.ts";
import { csrfField, layout, type Visitor } from "./layout.ts";
import { ago, duration } from "./times.ts";
import { DEMO_PASSWORD, DEMO_USERS, MAX_NAME_LENGTH } from "./users.ts";

/** What the login form says about why it is shown. Links choose one by its name, never the text. */
const LOGIN_NOTICES = {
  expired: "Your session has expired. Log in again to go on where you were.",
  revoked: "This session was ended, perhaps from another of your devices. Log in again to go on.",
  ended: "Your session has ended. Log in again to go on where you were.",
  loggedout: "You are logged out.",
} as const;

export type LoginNotice = keyof typeof LOGIN_NOTICES;

const DONE = {
  name: "Your display name is changed.",
  session: "That device is logged out.",
  others: "All other devices are logged out.",
} as const;

export type Done = keyof typeof DONE;

export interface LoginForm {
  readonly csrfToken: string;
  /** The page to return to, a path of this site. */
  readonly next: string;
  readonly name?: string;
  /** The name of a notice; any other text is ignored. */
  readonly notice?: unknown;
  readonly problem?: string;
}

export function loginPage({ csrfToken, next, name = "", notice, problem }: LoginForm): string {
  const main = html`<div class="narrow">
<h1>Log in</h1>
${noticeOf(LOGIN_NOTICES, notice)}
${problem && html`<p class="notice problem" role="alert" id="problem">${problem}</p>`}
<form class="card stack" method="post" action="/login">
${csrfField(csrfToken)}<input type="hidden" name="next" value="${next}">
<label for="name">User name</label>
<input id="name" name="name" value="${name}" autocomplete="username" autocapitalize="none" spellcheck="false" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<div class="actions"><button type="submit">Log in</button></div>
</form>
<p class="hint">This is a demonstration. The users are ${listOf(DEMO_USERS)}, and the password of
each is <code>${DEMO_PASSWORD}</code>.</p>
</div>`;
  return layout({ title: "Log in", main });
}

export interface SessionView {
  readonly id: string;
  readonly userAgent: string;
  readonly ipAddress: string;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  /** Whether it is the session of this request. */
  readonly current: boolean;
}

export interface HomePage {
  readonly visitor: Visitor;
  readonly userId: string;
  readonly session: SessionView;
  readonly now: Date;
  readonly idleSecondsLeft: number;
  readonly absoluteSecondsLeft: number;
  readonly done?: unknown;
  /** What was entered and why it was refused. */
  readonly refusedName?: { readonly value: string; readonly problem: string };
}

export function homePage(page: HomePage): string {
  const { visitor, userId, session, now, idleSecondsLeft, absoluteSecondsLeft, refusedName } = page;
  const problem = refusedName?.problem;
  const main = html`<h1>Hello, ${visitor.displayName}</h1>
${noticeOf(DONE, page.done)}
<section class="card" aria-labelledby="who">
<h2 id="who">Who is logged in</h2>
<dl class="facts">
<div><dt>User</dt><dd>${userId}</dd></div>
<div><dt>On</dt><dd>${describeDevice(session.userAgent).name}, ${addressOf(session)}</dd></div>
<div><dt>Since</dt><dd>${moment(session.createdAt, now)}</dd></div>
<div><dt>Ends</dt><dd>after ${duration(idleSecondsLeft, Math.round)} without activity, and in
${duration(absoluteSecondsLeft, Math.round)} in any case</dd></div>
</dl>
<p><a href="/sessions">Where else you are logged in</a></p>
</section>
<section class="card" aria-labelledby="profile">
<h2 id="profile">Display name</h2>
<form class="stack" method="post" action="/name">
${csrfField(visitor.csrfToken)}
<label for="display-name">Name that others see</label>
${problem && html`<p class="field-problem" id="name-problem" role="alert">${problem}</p>`}
<input id="display-name" name="displayName" value="${refusedName?.value ?? visitor.displayName}"
maxlength="${MAX_NAME_LENGTH}" autocomplete="name" required${problem && INVALID_NAME}>
<div class="actions"><button type="submit">Save</button></div>
</form>
</section>`;
  return layout({ title: "Account", main, visitor });
}

const INVALID_NAME = html` aria-invalid="true" aria-describedby="name-problem"`;

export interface SessionsPage {
  readonly visitor: Visitor;
  readonly sessions: readonly SessionView[];
  /** Whether there are older ones that are not shown. */
  readonly more: boolean;
  readonly now: Date;
  readonly done?: unknown;
}

const ONLY_THIS_DEVICE = "You are logged in on this device only.";
const OTHER_DEVICES =
  "You are logged in on these devices. If you do not recognise one, log it out and change your password.";

export function sessionsPage({ visitor, sessions, more, now, done }: SessionsPage): string {
  const others = sessions.filter(({ current }) => !current).length;
  const main = html`<h1>Your sessions</h1>
${noticeOf(DONE, done)}
<p class="lead">${others === 0 ? ONLY_THIS_DEVICE : OTHER_DEVICES}</p>
<ul class="sessions">
${sessions.map((session) => sessionItem(session, visitor, now))}
</ul>
${more ? html`<p class="hint">Older sessions are not shown.</p>` : undefined}
${others === 0 ? undefined : endOthersForm(visitor)}
<p class="hint">The names of devices are what browsers say of themselves. “Last seen” may be late by up to a minute.</p>`;
  return layout({ title: "Sessions", main, visitor });
}

function sessionItem(session: SessionView, { csrfToken }: Visitor, now: Date): Html {
  const { name, kind } = describeDevice(session.userAgent);
  const end = html`<form method="post" action="/sessions/end">
${csrfField(csrfToken)}<input type="hidden" name="session" value="${session.id}">
<button class="secondary" type="submit" aria-label="Log out ${name}, ${addressOf(session)}">Log out</button>
</form>`;
  return html`<li class="card session">
${DEVICE_ICONS[kind]}
<div class="session-text">
<h2>${name} ${session.current ? html`<span class="badge">This device</span>` : undefined}</h2>
<p>${addressOf(session)}</p>
<p class="times"><span>Last seen ${moment(session.lastSeenAt, now)}</span>
<span>Logged in ${moment(session.createdAt, now)}</span></p>
</div>
${session.current ? undefined : end}
</li>`;
}

function endOthersForm({ csrfToken }: Visitor): Html {
  return html`<form class="end-others" method="post" action="/sessions/end-others">
${csrfField(csrfToken)}<button class="danger" type="submit">Log out all other devices</button>
</form>`;
}

export interface Message {
  readonly title: string;
  readonly text: string;
  readonly action: { readonly href: string; readonly label: string };
}

/** A page that only says something, for errors. */
export function messagePage({ title, text, action }: Message): string {
  const main = html`<div class="narrow">
<section class="card">
<h1>${title}</h1>
<p>${text}</p>
<p><a class="button" href="${action.href}">${action.label}</a></p>
</section>
</div>`;
  return layout({ title, main });
}

function noticeOf(notices: Readonly<Record<string, string>>, name: unknown): Html | undefined {
  if (typeof name !== "string" || !Object.hasOwn(notices, name)) return undefined;
  return html`<p class="notice" role="status">${notices[name]}</p>`;
}

function addressOf({ ipAddress }: SessionView): string {
  return ipAddress === "" ? "unknown address" : ipAddress;
}

/** A time as people say it; the exact one is in the title. */
function moment(time: Date, now: Date): Html {
  const iso = time.toISOString();
  const exact = `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
  return html`<time datetime="${iso}" title="${exact}">${ago(time, now)}</time>`;
}

function listOf(names: readonly string[]): Html {
  const last = names.length - 1;
  const separator = (index: number) => (index === 0 ? "" : index === last ? " and " : ", ");
  return html`${names.map((name, index) => html`${separator(index)}<code>${name}</code>`)}`;
}

const DEVICE_ICONS: Readonly<Record<Device["kind"], Html>> = {
  phone: icon(
    "M8 2.5h8a1.5 1.5 0 0 1 1.5 1.5v16a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 20V4A1.5 1.5 0 0 1 8 2.5zM11 18.5h2",
  ),
  tablet: icon(
    "M5.5 2.5h13A1.5 1.5 0 0 1 20 4v16a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 20V4a1.5 1.5 0 0 1 1.5-1.5zM11 18.5h2",
  ),
  computer: icon(
    "M4.5 4.5h15A1.5 1.5 0 0 1 21 6v9.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15.5V6a1.5 1.5 0 0 1 1.5-1.5zM8.5 21h7M12 17v4",
  ),
  unknown: icon(
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.7 9.5a2.4 2.4 0 1 1 3.2 2.3c-.6.3-.9.7-.9 1.5M12 16.8v.1",
  ),
};

function icon(path: string): Html {
  return html`<svg class="device" viewBox="0 0 24 24" width="32" height="32" aria-hidden="true" focusable="false">
<path d="${path}" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/>
</svg>`;
}
