export interface EmbeddedPostgresOptions {
  readonly dataDirectory: string;
  /** The name of the superuser and of its database. The first start fixes it. "postgres" by default. */
  readonly name?: string;
  /** Called with each event of the server and each line of its log. */
  readonly log?: (line: string) => void;
  /** More settings, for a server that this call starts. Those of access and logging are fixed. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gives up durability for speed: for tests, whose data need not survive a crash. */
  readonly ephemeral?: boolean;
  /** Where PostgreSQL's `bin`, `lib` and `share` are, instead of the installed package. */
  readonly nativeDirectory?: string;
}
