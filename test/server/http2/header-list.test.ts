import { expect } from "chai";
import { HeaderField } from "../../../src/server/http2/header-field.ts";
import { HeaderList } from "../../../src/server/http2/header-list.ts";
import { areTrailers } from "../../../src/server/http2/request-head.ts";

function listOf(raw: readonly string[]): HeaderList {
  const fields: HeaderField[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    fields.push(new HeaderField(raw[at] as string, raw[at + 1] as string));
  }
  return new HeaderList(fields, 0);
}

const method = [":method", "POST"];
const scheme = [":scheme", "http"];
const path = [":path", "/a?b"];
const authority = [":authority", "a.test"];
const post = [...method, ...scheme, ...path, ...authority];
const head = {
  method: "POST",
  scheme: "http",
  path: "/a?b",
  authority: "a.test",
  contentLength: undefined,
};

const wellFormed: Record<string, [raw: readonly string[], head: object]> = {
  "pseudo-headers alone": [post, head],
  "pseudo-headers in another order": [[...authority, ...path, ...scheme, ...method], head],
  "a content-length": [[...post, "content-length", "12"], { ...head, contentLength: 12 }],
  "te with trailers": [[...post, "te", "Trailers"], head],
  "cookies in several fields": [[...post, "cookie", "a=1", "cookie", "b=2"], head],
  "a field without value": [[...post, "x-empty", ""], head],
  "a value with octets above ASCII and a tab within": [[...post, "x", "\x80\xff\t!"], head],
  "a host instead of the authority": [
    [...method, ...scheme, ...path, "host", "b.test"],
    { ...head, authority: "b.test" },
  ],
  "an authority and another host": [[...post, "host", "b.test"], head],
  "an authority that is a list": [
    [...method, ...scheme, ...path, ":authority", "a:1,b:2"],
    { ...head, authority: "a:1,b:2" },
  ],
  "OPTIONS for the whole server": [
    [":method", "OPTIONS", ...scheme, ":path", "*", ...authority],
    { ...head, method: "OPTIONS", path: "*" },
  ],
  CONNECT: [
    [":method", "CONNECT", ":authority", "a.test:443"],
    { ...head, method: "CONNECT", scheme: "", path: "", authority: "a.test:443" },
  ],
};

const malformed: Record<string, readonly string[]> = {
  "no field": [],
  "no method": [...scheme, ...path, ...authority],
  "no scheme": [...method, ...path, ...authority],
  "no path": [...method, ...scheme, ...authority],
  "neither authority nor host": [...method, ...scheme, ...path],
  "an empty method": [":method", "", ...scheme, ...path, ...authority],
  "an empty scheme": [...method, ":scheme", "", ...path, ...authority],
  "an empty path": [...method, ...scheme, ":path", "", ...authority],
  "an empty authority": [...method, ...scheme, ...path, ":authority", ""],
  "an empty host and no authority": [...method, ...scheme, ...path, "host", ""],
  "a method that is no token": [":method", "PO ST", ...scheme, ...path, ...authority],
  "a scheme that is none": [...method, ":scheme", "1:", ...path, ...authority],
  "a path without slash": [...method, ...scheme, ":path", "a", ...authority],
  "a path with a space": [...method, ...scheme, ":path", "/a b", ...authority],
  "a path of * without OPTIONS": [...method, ...scheme, ":path", "*", ...authority],
  "an authority with a space": [...method, ...scheme, ...path, ":authority", "a b"],
  "a second method": [...post, ...method],
  "a second scheme": [...post, ...scheme],
  "a second path": [...post, ...path],
  "a second authority": [...post, ...authority],
  "a second host": [...post, "host", "a.test", "host", "a.test"],
  "a pseudo-header after another field": [...method, ...scheme, ...path, "x", "1", ...authority],
  "a pseudo-header after host": [...method, ...scheme, "host", "a.test", ...path],
  "a pseudo-header of responses": [...post, ":status", "200"],
  "an unknown pseudo-header": [...post, ":protocol", "websocket"],
  "an empty name": [...post, "", "1"],
  "a name in upper case": [...post, "X-a", "1"],
  "a name with a space": [...post, "x a", "1"],
  "a name with a colon": [...post, "x:a", "1"],
  "a name with an octet above ASCII": [...post, "x\x80", "1"],
  "a name with NUL": [...post, "x\0", "1"],
  "a value with NUL": [...post, "x", "a\0b"],
  "a value with CR": [...post, "x", "a\rb"],
  "a value with LF": [...post, "x", "a\nb"],
  "a value that ends with LF": [...post, "x", "a\n"],
  "a value with another control character": [...post, "x", "a\x1bb"],
  "a value with DEL": [...post, "x", "a\x7fb"],
  "a value that begins with a space": [...post, "x", " a"],
  "a value that ends with a space": [...post, "x", "a "],
  "a value that begins with a tab": [...post, "x", "\ta"],
  "a value that ends with a tab": [...post, "x", "a\t"],
  "a value of one space": [...post, "x", " "],
  connection: [...post, "connection", "close"],
  "keep-alive": [...post, "keep-alive", "1"],
  "proxy-connection": [...post, "proxy-connection", "close"],
  "transfer-encoding": [...post, "transfer-encoding", "chunked"],
  upgrade: [...post, "upgrade", "h2c"],
  "te with more than trailers": [...post, "te", "trailers, deflate"],
  "te without trailers": [...post, "te", ""],
  "an empty content-length": [...post, "content-length", ""],
  "a negative content-length": [...post, "content-length", "-1"],
  "a content-length with a sign": [...post, "content-length", "+1"],
  "a content-length that no number represents": [...post, "content-length", "9007199254740993"],
  "a content-length that is a list": [...post, "content-length", "1, 1"],
  "two equal content-lengths": [...post, "content-length", "1", "content-length", "1"],
  "two different content-lengths": [...post, "content-length", "1", "content-length", "2"],
  "CONNECT with a scheme": [":method", "CONNECT", ...scheme, ...authority],
  "CONNECT with a path": [":method", "CONNECT", ...path, ...authority],
  "CONNECT without authority": [":method", "CONNECT", "host", "a.test"],
};

describe("request head", () => {
  for (const [name, [raw, expected]] of Object.entries(wellFormed)) {
    it(`is found: ${name}`, () => {
      const list = listOf(raw);
      expect(list.head).to.deep.equal(expected);
      expect(list.head).to.equal(list.head);
    });
  }

  for (const [name, raw] of Object.entries(malformed)) {
    it(`is malformed: ${name}`, () => {
      const list = listOf(raw);
      expect(list.head).to.equal(undefined);
      expect(list.head).to.equal(undefined);
    });
  }
});

describe("trailers", () => {
  const wellFormed = [[], ["grpc-status", "0"], ["grpc-status", "0", "grpc-message", ""]];
  for (const raw of wellFormed) {
    it(`may be ${JSON.stringify(raw)}`, () => {
      expect(areTrailers(listOf(raw).fields)).to.equal(true);
    });
  }

  const malformed = [
    [...method, "x", "1"],
    ["x", "1", ...path],
    [":status", "200"],
    [":unknown", ""],
    ["X", "1"],
    ["x", "\0"],
    ["connection", "close"],
  ];
  for (const raw of malformed) {
    it(`must not be ${JSON.stringify(raw)}`, () => {
      expect(areTrailers(listOf(raw).fields)).to.equal(false);
    });
  }
});

describe("header list", () => {
  it("has the first value of a name, and all in the order received", () => {
    const raw = ["cookie", "a=1", "x", "", "cookie", "b=2"];
    const list = listOf(raw);
    expect(list.raw).to.deep.equal(raw);
    expect([list.get("cookie"), list.get("x"), list.get("y")]).to.deep.equal([
      "a=1",
      "",
      undefined,
    ]);
  });
});
