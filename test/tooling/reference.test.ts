import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { file_sessiond_v1_error } from "../../gen/es/sessiond/v1/error_pb.ts";
import { file_sessiond_v1_session } from "../../gen/es/sessiond/v1/session_pb.ts";
import {
  file_sessiond_v1_session_service,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { readContract, renderReference } from "../../scripts/reference.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/reference.md"), "utf8");

// Generated independently of the page.
const files = [file_sessiond_v1_error, file_sessiond_v1_session, file_sessiond_v1_session_service];

/** What is below a heading of the page, up to the next one. */
function sectionOf(name: string): string {
  const sections = page.split(/^###? /m).filter((section) => section.startsWith(`${name}\n`));
  expect(sections, `sections about ${name}`).to.have.length(1);
  return sections[0] ?? "";
}

/** The cells of a row of a section, by what its first cell shows. */
function rowOf(section: string, name: string): readonly string[] {
  const rows = sectionOf(section)
    .split("\n")
    .filter((line) => line.startsWith("| <a") && line.includes(`</a>\`${name}\` |`));
  expect(rows, `rows of ${section} about ${name}`).to.have.length(1);
  return (rows[0] ?? "").slice(2, -2).split(" | ");
}

describe("docs/reference.md", () => {
  it("is what the .proto files make of it", () => {
    expect(page, "run `npm run reference`").to.equal(renderReference(readContract()));
  });

  it("has every RPC with request, response, idempotency, role and reasons", () => {
    for (const { name, input, output } of SessionService.methods) {
      const section = sectionOf(name);
      expect(section).to.include(`Request: [\`${input.name}\`](#${input.name.toLowerCase()})`);
      expect(section).to.include(`Response: [\`${output.name}\`](#${output.name.toLowerCase()})`);
      expect(section).to.match(/^- \*\*Idempotency:\*\* (Idempotent|Not idempotent)/m);
      expect(section).to.match(/^- \*\*Role:\*\* (validator|issuer|admin)$/m);
      expect(section).to.match(/^- \*\*Reasons:\*\* .*those of \[all calls\]\(#common\)$/m);
    }
  });

  it("has every field of every message with its number, type and meaning", () => {
    for (const message of files.flatMap(({ messages }) => messages)) {
      for (const field of message.fields) {
        const [, number, type, , meaning] = rowOf(message.name, field.name);
        expect(number).to.equal(String(field.number));
        expect(type, `type of ${message.name}.${field.name}`).to.match(/`[\w.]+`/);
        expect(meaning, `meaning of ${message.name}.${field.name}`).to.match(/\w.*\.$/);
      }
    }
  });

  it("tells optional fields and those of a oneof from the others", () => {
    const presence = (message: string, field: string) => rowOf(message, field)[3];
    expect(presence("ValidateRequest", "csrf_token")).to.equal("optional");
    expect(presence("ValidateRequest", "cookie_header")).to.equal("one of `credential`");
    expect(presence("ValidateRequest", "touch")).to.equal("");
    expect(presence("CreateResponse", "set_cookies")).to.equal("");
  });

  it("has every value of every enum, and every reason with its code and HTTP status", () => {
    for (const descriptor of files.flatMap(({ enums }) => enums)) {
      for (const { name, number } of descriptor.values) {
        const cells = rowOf(descriptor.name, name.replace(/^ERROR_REASON_/, ""));
        expect(cells[1]).to.equal(String(number));
        if (descriptor.name !== "ErrorReason" || number === 0) continue;
        expect(cells[2], name).to.match(/^[A-Z_]+$/);
        expect(cells[3], name).to.match(/^[45]\d\d$/);
      }
    }
  });

  it("has a target for every link, and no target twice", () => {
    const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) => text.toLowerCase());
    const tags = [...page.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id);
    const targets = [...headings, ...tags];
    expect(new Set(targets).size).to.equal(targets.length);
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
    expect(links).to.include.members(["errorreason", "sessionref", "error_reason_revoked"]);
    expect(targets).to.include.members(links);
  });

  it("links a short name to the enum that it belongs to", () => {
    expect(sectionOf("SessionState")).to.include("[`REVOKED`](#session_state_revoked)");
    expect(sectionOf("Touch")).to.include("[`REVOKED`](#error_reason_revoked)");
  });
});
