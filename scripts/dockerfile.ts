/** Reads the Dockerfile: the instructions in the forms that it uses, and an error for all others. */

export interface Instruction {
  readonly source: string;
  readonly keyword: string;
  /** The groups of its syntax below. */
  readonly args: readonly (string | undefined)[];
}

export interface Stage {
  readonly image: string;
  /** As `AS` says, else its number. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

const EXEC_FORM = String.raw`(\["[^"\\]*"(?:, "[^"\\]*")*\])`;

/** Lines are not continued. Only RUN, which has a shell, and LABEL may have quotes and variables. */
const SYNTAX: Readonly<Record<string, RegExp>> = {
  ARG: /^(\w+)=([\w:.@-]+)$/,
  FROM: /^(?:\$\{(\w+)\}|([\w:.@-]+))(?: AS (\w+))?$/,
  LABEL: /^([\w.]+)="(?:\$\{(\w+)\}|([^"\\$]*))"$/,
  WORKDIR: /^([\w/.-]+)$/,
  COPY: /^(?:--from=(\w+) )?([\w/.][\w/. -]*)$/,
  RUN: /^((?!.*<<)[^-].*[^\\])$/,
  ENV: /^((?:\w+=[\w:/.,-]*(?: |$))+)$/,
  USER: /^(\w+(?::\w+)?)$/,
  EXPOSE: /^(\d+(?: \d+)*)$/,
  HEALTHCHECK: new RegExp(`^(?:--(?:interval|timeout)=\\d+s )*CMD ${EXEC_FORM}$`),
  ENTRYPOINT: new RegExp(`^${EXEC_FORM}$`),
};

/** The stages in their order, with the values of ARG in FROM. Throws with the offending line. */
export function parseDockerfile(source: string): readonly Stage[] {
  const variables = new Map<string | undefined, string | undefined>();
  const stages: { image: string; name: string; instructions: Instruction[] }[] = [];
  for (const line of source.split("\n")) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, keyword = "", text = ""] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    const args = SYNTAX[keyword]?.exec(text)?.slice(1);
    const stage = stages.at(-1);
    const image = keyword === "FROM" && args && (args[1] ?? variables.get(args[0]));
    if (args && keyword === "ARG" && !stage) variables.set(args[0], args[1]);
    else if (args && keyword !== "FROM" && stage) {
      stage.instructions.push({ source: line, keyword, args });
    } else if (args && image) {
      stages.push({ image, name: args[2] ?? String(stages.length), instructions: [] });
    } else throw new Error(`Dockerfile: not understood: ${line}`);
  }
  return stages;
}
