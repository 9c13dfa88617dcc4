export interface EmbeddedPostgresOptions {
  readonly dataDirectory: string;
  /** Of the superuser, which is fixed at the first start, and of its database: "postgres". */
  readonly name?: string;
  /** Gets what happens to the server, and the lines of its `postgres.log`. */
  readonly log?: (line: string) => void;
  /** More settings, for a server that this call starts. Those of access and logging are fixed. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gives up durability for speed: for tests, whose data need not survive a crash. */
  readonly ephemeral?: boolean;
  /** Where PostgreSQL's `bin`, `lib` and `share` are, instead of the installed package. */
  readonly nativeDirectory?: string;
}
