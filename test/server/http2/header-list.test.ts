import { expect } from "chai";
import { HeaderField } from "../../../src/server/http2/header-field.ts";
import { HeaderList } from "../../../src/server/http2/header-list.ts";
import { areTrailers, requestHead } from "../../../src/server/http2/request-head.ts";

function listOf(...raw: readonly string[]): HeaderList {
  const fields: HeaderField[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    fields.push(new HeaderField(raw[at] as string, raw[at + 1] as string));
  }
  return new HeaderList(fields, 0);
}

const post = [":method", "POST", ":scheme", "http", ":path", "/a?b", ":authority", "a.test"];
const head = {
  method: "POST",
  scheme: "http",
  path: "/a?b",
  authority: "a.test",
  contentLength: undefined,
};

describe("request head", () => {
  it("has the pseudo-headers and the length", () => {
    const list = listOf(...post, "content-length", "12");
    expect(requestHead(list)).to.deep.equal({ ...head, contentLength: 12 });
    expect(requestHead(list)).to.equal(requestHead(list));
  });

  it("is not found without a method", () => {
    expect(requestHead(listOf(...post.slice(2)))).to.equal(undefined);
  });

  it("is no trailer", () => {
    expect(areTrailers(listOf(...post))).to.equal(false);
    expect(areTrailers(listOf("grpc-status", "0"))).to.equal(true);
  });
});
