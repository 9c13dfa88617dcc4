/**
 * Writes docs/reference.md, the reference of the contract, from the .proto files and their comments.
 * With `--check` it writes nothing and fails if the file differs.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import {
  createFileRegistry,
  type DescEnum,
  type DescEnumValue,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescMethod,
  fromBinary,
  getOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import { Role, RoleSchema, required_role } from "../gen/es/sessiond/v1/options_pb.ts";
import { writeOrCheckPage } from "./generated-page.ts";

const root = join(import.meta.dirname, "..");
const target = join(root, "docs", "reference.md");

const PACKAGE = "sessiond.v1";
const REASONS = "ErrorReason";
const REASON_PREFIX = "ERROR_REASON_";

/** The files of the contract, with their comments; the one with the service first. */
export function readContract(): readonly DescFile[] {
  const buf = join(root, "node_modules", ".bin", "buf");
  const args = ["build", "proto", "--as-file-descriptor-set", "--output", "-#format=binpb"];
  const set = fromBinary(FileDescriptorSetSchema, execFileSync(buf, args, { cwd: root }));
  return [...createFileRegistry(set).files]
    .filter((file) => file.proto.package === PACKAGE)
    .sort((a, b) => b.services.length - a.services.length || (a.name < b.name ? 1 : -1));
}

type Commented = Exclude<Parameters<typeof getComments>[0], undefined>;

/** The paragraphs and lists of a comment, without its line breaks. */
function paragraphsOf(element: Commented): string[] {
  const comment = getComments(element).leading;
  if (comment === undefined) throw new Error(`${element.toString()} has no comment`);
  const lines = comment.split("\n").map((line) => line.trim());
  const text = lines.join("\n").trim();
  return text.split(/\n{2,}|\n(?=- )/).map((paragraph) => paragraph.replaceAll("\n", " "));
}

/** Where a link finds an element; the headings of a page are in lower case. */
function anchorOf(name: string): string {
  return name.toLowerCase();
}

function link(text: string, anchor: string): string {
  return `[${text}](#${anchorOf(anchor)})`;
}

/** Of a field: `Message.field`. Of the value of an enum: its name. */
function anchorTag(anchor: string): string {
  return `<a id="${anchorOf(anchor)}"></a>`;
}

/** A reason without the prefix, as google.rpc.ErrorInfo and the messages of errors have it. */
function shortName(value: DescEnumValue): string {
  return value.parent.name === REASONS ? value.name.slice(REASON_PREFIX.length) : value.name;
}

class Reference {
  readonly #files: readonly DescFile[];
  /** What the text may name, and where each is described. */
  readonly #anchors = new Map<string, string>();

  constructor(files: readonly DescFile[]) {
    this.#files = files;
    for (const { name } of [...this.#methods, ...this.#messages, ...this.#enums]) {
      this.#anchors.set(name, name);
    }
    for (const message of this.#messages) {
      for (const { name } of message.fields) {
        this.#anchors.set(`${message.name}.${name}`, `${message.name}.${name}`);
      }
    }
    for (const value of this.#enums.flatMap(({ values }) => values)) {
      this.#anchors.set(value.name, value.name);
      if (value.parent.name === REASONS) this.#anchors.set(shortName(value), value.name);
    }
  }

  get #messages(): DescMessage[] {
    return this.#files.flatMap(({ messages }) => messages);
  }

  get #enums(): DescEnum[] {
    return this.#files.flatMap(({ enums }) => enums);
  }

  get #methods(): DescMethod[] {
    return this.#files.flatMap(({ services }) => services).flatMap(({ methods }) => methods);
  }

  /**
   * Text of a comment as Markdown, with links from names to what they name; not to `from` itself.
   *
   * @param scope a message whose fields, or an enum whose values, the text may name by their short
   *   names; fields only in backticks or if they cannot be words
   */
  #markdown(text: string, from: string, scope?: DescMessage | DescEnum): string {
    const names =
      /`[^`]*`|\bgoogle(?:\.\w+)+|\b[A-Za-z][A-Za-z0-9]*(?:[_.][A-Za-z0-9_]*[A-Za-z0-9])*/g;
    const escaped = text.replace(/[<|*]/g, (character) => `\\${character}`);
    return escaped.replace(names, (word) => {
      const name = word.replaceAll("`", "");
      const looksLikeCode = word !== name || /[a-z]_[a-z]|^google\./.test(name);
      const inScope = scope && (scope.kind === "enum" || looksLikeCode) && member(scope, name);
      const anchor = inScope || this.#anchors.get(name);
      const isCode = looksLikeCode || /[._]|^[A-Z]+$/.test(anchor ?? "");
      const shown = isCode ? `\`${name}\`` : name;
      return anchor === undefined || anchor === from ? shown : link(shown, anchor);
    });
  }

  #type(field: DescField): string {
    const scalar = (type: ScalarType) => `\`${ScalarType[type].toLowerCase()}\``;
    switch (field.fieldKind) {
      case "scalar":
        return scalar(field.scalar);
      case "enum":
        return this.#typeLink(field.enum);
      case "message":
        return this.#typeLink(field.message);
      case "map": {
        const value =
          field.mapKind === "scalar"
            ? scalar(field.scalar)
            : this.#typeLink(field[field.mapKind] as DescMessage);
        return `map of ${scalar(field.mapKey)} to ${value}`;
      }
      case "list": {
        const item =
          field.listKind === "scalar"
            ? scalar(field.scalar)
            : this.#typeLink(field[field.listKind] as DescMessage);
        return `list of ${item}`;
      }
    }
  }

  #typeLink({ name, typeName }: DescMessage | DescEnum): string {
    if (this.#anchors.has(name) && typeName.startsWith(`${PACKAGE}.`))
      return link(`\`${name}\``, name);
    const page = `https://protobuf.dev/reference/protobuf/google.protobuf/#${name.toLowerCase()}`;
    return `[\`${typeName}\`](${page})`;
  }

  #presence(field: DescField): string {
    if (field.oneof !== undefined) return `one of \`${field.oneof.name}\``;
    if (field.fieldKind === "list" || field.fieldKind === "map") return "";
    return field.presence === FeatureSet_FieldPresence.EXPLICIT ? "optional" : "";
  }

  #method(method: DescMethod): string {
    const paragraphs = paragraphsOf(method);
    const facts = paragraphs.pop() ?? "";
    const parts =
      /^(?<idempotency>.*?\.) Role: (?<role>[^.]*)\.(?: Reasons(?<reasons>.*)\.)?$/.exec(facts);
    if (parts?.groups === undefined) {
      throw new Error(
        `the comment of ${method.name} does not end in idempotency, role and reasons`,
      );
    }
    const { idempotency = "", reasons } = parts.groups;
    const role = requiredRole(method);
    if (role !== parts.groups.role) {
      throw new Error(`the comment of ${method.name} names another role than its option: ${role}`);
    }
    const text = (paragraph: string) => this.#markdown(paragraph, method.name);
    const common = "those of [all calls](#common)";
    const own = reasons?.replace(/^: /, "").replace(/^, (all about [^:]*): (.*)$/, "$2 ($1)");
    return [
      `### ${method.name}`,
      `Request: ${this.#typeLink(method.input)}. Response: ${this.#typeLink(method.output)}.`,
      ...paragraphs.map(text),
      [
        `- **Idempotency:** ${text(idempotency)}`,
        `- **Role:** ${role}`,
        `- **Reasons:** ${own === undefined ? common : `${text(own)}; and ${common}`}`,
      ].join("\n"),
    ].join("\n\n");
  }

  #methodRow(method: DescMethod): string[] {
    const [effect = "", ...rest] = paragraphsOf(method);
    const facts = rest.at(-1) ?? "";
    const [, sentence = ""] = /^\w+ (.*?\.)(?= |$)/.exec(effect) ?? [];
    const isIdempotent = facts.startsWith("Idempotent");
    const text = this.#markdown(capitalised(sentence), method.name);
    const name = link(`\`${method.name}\``, method.name);
    return [name, text, isIdempotent ? "yes" : "no", requiredRole(method)];
  }

  #message(message: DescMessage): string {
    const text = paragraphsOf(message).map((part) => this.#markdown(part, message.name, message));
    const rows = message.fields.map((field) => {
      const anchor = `${message.name}.${field.name}`;
      const comment = paragraphsOf(field).join(" ").replace(field.name, `\`${field.name}\``);
      return [
        `${anchorTag(anchor)}\`${field.name}\``,
        String(field.number),
        this.#type(field),
        this.#presence(field),
        this.#markdown(comment, anchor, message),
      ];
    });
    const oneofs = message.oneofs.map((oneof) => {
      const comment = paragraphsOf(oneof).join(" ").replace(oneof.name, `\`${oneof.name}\``);
      return `**One of \`${oneof.name}\`:** ${this.#markdown(comment, message.name, message)}`;
    });
    const fields = table(["Field", "No.", "Type", "Presence", "Meaning"], rows);
    const body = rows.length === 0 ? "It has no fields." : fields;
    return [`### ${message.name}`, ...text, ...oneofs, body].join("\n\n");
  }

  #enum(descriptor: DescEnum): string {
    const text = paragraphsOf(descriptor).map((part) =>
      this.#markdown(part, descriptor.name, descriptor),
    );
    const isReasons = descriptor.name === REASONS;
    const rows = descriptor.values.map((value) => {
      const comment = paragraphsOf(value)
        .join(" ")
        .replace(new RegExp(`^${value.name}:? (is )?`), "");
      const name = `${anchorTag(value.name)}\`${shortName(value)}\``;
      if (!isReasons)
        return [name, String(value.number), this.#markdown(capitalised(comment), value.name)];
      const [, meaning, code, status] = /^(.*\.) ([A-Z_]+), (\d{3})\.$/.exec(comment) ?? [];
      if (meaning === undefined && value.number !== 0) {
        throw new Error(`the comment of ${value.name} does not end in its code and HTTP status`);
      }
      const when = this.#markdown(capitalised(meaning ?? comment), value.name);
      return [name, String(value.number), code ?? "", status ?? "", when];
    });
    const head = isReasons
      ? ["Reason", "No.", "Code", "HTTP", "When"]
      : ["Value", "No.", "Meaning"];
    return [`### ${descriptor.name}`, ...text, table(head, rows)].join("\n\n");
  }

  render(): string {
    const services = this.#files.flatMap((file) => file.services);
    const service = services[0];
    if (service === undefined || services.length > 1) throw new Error("there is not one service");
    const [effect = "", , ...common] = paragraphsOf(service);
    const names = (descriptors: readonly { name: string }[]) =>
      descriptors.map(({ name }) => link(name, name)).join(", ");
    const rpcs = table(
      ["RPC", "Does", "Idempotent", "Role"],
      this.#methods.map((method) => this.#methodRow(method)),
    );
    return `<!-- Written by scripts/reference.ts from proto/: edit the comments there. -->

# Reference

The contract \`${PACKAGE}\`, as [proto/](../proto/sessiond/v1) has it. [errors.md](errors.md) shows how
to read an error, and [configuration.md](configuration.md) has what an operator can set.

- RPCs: ${names(this.#methods)}
- Messages: ${names(this.#messages)}
- Enums: ${names(this.#enums)}

## RPCs

${this.#markdown(effect, service.name)} Over Connect and gRPC, the path of a method is
\`/${service.typeName}/\` and the name of the RPC.

${rpcs}

<a id="common"></a>Common to all calls:

${common.map((paragraph) => this.#markdown(paragraph, service.name)).join("\n")}

${this.#methods.map((method) => this.#method(method)).join("\n\n")}

## Messages

In the column "Presence", *optional* is a field that can be told from one with an empty value: it is set
or unset. *One of* is a field of a group of which at most one is set. Other fields are always there;
what is not set is empty, 0 or false. In JSON, the names of fields are in lowerCamelCase, timestamps and
durations are strings such as \`"2026-01-31T12:00:00Z"\` and \`"90s"\`, and 64-bit numbers are strings.

${this.#messages.map((message) => this.#message(message)).join("\n\n")}

## Enums

${this.#enums.map((descriptor) => this.#enum(descriptor)).join("\n\n")}
`;
  }
}

/** The role that the method's option requires, such as `issuer`. */
function requiredRole(method: DescMethod): string {
  const role = getOption(method, required_role);
  const name = role === Role.UNSPECIFIED ? undefined : RoleSchema.value[role]?.localName;
  if (name === undefined) throw new Error(`${method.name} has no option required_role`);
  return name.toLowerCase();
}

/** The anchor of a field or a value by its short name. */
function member(scope: DescMessage | DescEnum, name: string): string | undefined {
  if (scope.kind === "message") {
    return scope.fields.some((field) => field.name === name) ? `${scope.name}.${name}` : undefined;
  }
  const prefix = scope.sharedPrefix?.toUpperCase() ?? "";
  return scope.values.find((value) => value.name === `${prefix}${name}`)?.name;
}

/** Not if it begins with the name of a field. */
function capitalised(text: string): string {
  if (/^\w+_/.test(text)) return text;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The reference as a page in Markdown. */
export function renderReference(files: readonly DescFile[]): string {
  return new Reference(files).render();
}

if (import.meta.main) {
  writeOrCheckPage(
    target,
    renderReference(readContract()),
    "docs/reference.md differs from the .proto files: run `npm run reference`",
  );
}
