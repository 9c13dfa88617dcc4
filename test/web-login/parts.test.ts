import { expect } from "chai";
import { describeDevice } from "../../examples/web-login/device.ts";
import { html } from "../../examples/web-login/html.ts";
import { pageOfForm, returnPath } from "../../examples/web-login/return-path.ts";
import { ago, duration } from "../../examples/web-login/times.ts";
import { createUsers } from "../../examples/web-login/users.ts";

describe("examples/web-login: its parts", () => {
  const webkit = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
  const chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0";
  for (const [userAgent, name, kind] of [
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36`,
      "Chrome on Windows",
      "computer",
    ],
    [
      `Mozilla/5.0 (Windows NT 10.0) ${chrome} Safari/537.36 Edg/140.0.0.0`,
      "Edge on Windows",
      "computer",
    ],
    [
      `Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${chrome} Safari/537.36`,
      "Chrome on ChromeOS",
      "computer",
    ],
    [
      `Mozilla/5.0 (Linux; Android 10; K) ${chrome} Mobile Safari/537.36`,
      "Chrome on Android phone",
      "phone",
    ],
    [
      `Mozilla/5.0 (Linux; Android 10; K) ${chrome} Safari/537.36`,
      "Chrome on Android tablet",
      "tablet",
    ],
    [
      `Mozilla/5.0 (Linux; Android 10; K) ${chrome} Safari/537.36 OPR/90.0`,
      "Opera on Android tablet",
      "tablet",
    ],
    [
      "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
      "Firefox on Linux",
      "computer",
    ],
    [
      `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${webkit} Version/18.5 Safari/605.1.15`,
      "Safari on Mac",
      "computer",
    ],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) ${webkit} CriOS/140.0 Mobile/15E148 Safari/604.1`,
      "Chrome on iPhone",
      "phone",
    ],
    [
      `Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) ${webkit} Version/18.5 Mobile/15E148 Safari/604.1`,
      "Safari on iPad",
      "tablet",
    ],
    ["curl/8.14.1", "curl", "unknown"],
    ["", "Unknown device", "unknown"],
    ["<script>", "Unknown device", "unknown"],
  ] as const) {
    it(`calls "${userAgent}" ${name}`, () => {
      expect(describeDevice(userAgent)).to.deep.equal({ name, kind });
    });
  }

  it("returns to paths of this site only", () => {
    for (const path of ["/", "/sessions", "/sessions?done=others", "/a%2Fb"]) {
      expect(returnPath(path)).to.equal(path);
    }
    for (const other of [
      undefined,
      ["/sessions"],
      "",
      "sessions",
      "https://evil.example/",
      "//evil.example",
      "///evil.example",
      "/\\evil.example",
      "\\\\evil.example",
      "/\t/evil.example",
      "/\n/evil.example",
      "/.//evil.example",
      "/x/..//evil.example",
      "/%2e//evil.example",
      "javascript:alert(1)",
      "//[",
      "/login?next=/sessions",
      "/./login",
    ]) {
      expect(returnPath(other), String(other)).to.equal("/");
    }
    expect(returnPath("/sessions#part")).to.equal("/sessions");
  });

  it("knows the page of a form by the Referer of this site only", () => {
    expect(pageOfForm("https://a.example/sessions?x=1", "a.example")).to.equal("/sessions?x=1");
    expect(pageOfForm("https://b.example/sessions", "a.example")).to.equal("/");
    expect(pageOfForm("https://a.example//b.example", "a.example")).to.equal("/");
    expect(pageOfForm("about:blank", "a.example")).to.equal("/");
    expect(pageOfForm(undefined, undefined)).to.equal("/");
  });

  it("escapes what is put into a template, and keeps what is markup", () => {
    const hostile = `<b title="x" class='y'>&`;
    const escaped = "&lt;b title=&quot;x&quot; class=&#39;y&#39;&gt;&amp;";
    expect(html`<p>${hostile}</p>`.markup).to.equal(`<p>${escaped}</p>`);
    const list = [html`<i>${hostile}</i>`, html`<b>${1}</b>`];
    expect(html`${list}${undefined}`.markup).to.equal(`<i>${escaped}</i><b>1</b>`);
  });

  it("says times as people do", () => {
    const now = new Date("2026-03-01T12:00:00Z");
    const before = (seconds: number) => ago(new Date(now.getTime() - seconds * 1000), now);
    expect([-1, 0, 59, 60, 3599, 3600, 86_399, 86_400].map(before)).to.deep.equal([
      ...["just now", "just now", "just now", "1 minute ago", "59 minutes ago", "1 hour ago"],
      ...["23 hours ago", "yesterday"],
    ]);
    expect(duration(1799, Math.floor)).to.equal("29 minutes");
    expect(duration(1799, Math.round)).to.equal("30 minutes");
    expect(duration(1, Math.floor)).to.equal("1 second");
  });

  it("authenticates by name and password, and changes names for one application only", () => {
    const users = createUsers();
    expect(users.authenticate(" Alice ", "demo-password")).to.equal("alice");
    for (const [name, password] of [
      ["alice", ""],
      ["alice", "demo-password "],
      ["", "demo-password"],
      ["constructor", "demo-password"],
    ] as const) {
      expect(users.authenticate(name, password)).to.equal(undefined);
    }
    expect(users.rename("alice", "x".repeat(41))).to.equal("Enter at most 40 characters.");
    expect(users.displayName("alice")).to.equal("Alice Archer");
    expect(users.rename("alice", " Ally ")).to.equal(undefined);
    expect(users.displayName("alice")).to.equal("Ally");
    expect(createUsers().displayName("alice")).to.equal("Alice Archer");
  });
});
