/** What happens on a connection, one step after the other. */
export type Step =
  /** The client sends bytes. They are cut anywhere. */
  | { readonly kind: "send"; readonly bytes: Buffer }
  /** So many turns of the event loop pass. */
  | { readonly kind: "turns"; readonly count: number }
  /** So much time passes, of which the connection is told. */
  | { readonly kind: "tick"; readonly ms: number }
  /** The client stops to read, or reads again. */
  | { readonly kind: "read"; readonly reads: boolean }
  | { readonly kind: "drain" }
  | { readonly kind: "destroy" }
  /** The client ends its side of the socket. */
  | { readonly kind: "end" };

export interface Conversation {
  /** Decides how what is sent is cut, and what the server does with each request. */
  readonly seed: number;
  readonly steps: readonly Step[];
}

/** As text, to keep a conversation that has found a defect. */
export function serialize({ seed, steps }: Conversation): string {
  const plain = steps.map((step) =>
    step.kind === "send" ? { ...step, bytes: base64(step.bytes) } : step,
  );
  return JSON.stringify({ seed, steps: plain });
}

export function deserialize(text: string): Conversation {
  const { seed, steps } = JSON.parse(text) as {
    readonly seed: number;
    readonly steps: readonly (Step & { readonly bytes: string })[];
  };
  return {
    seed,
    steps: steps.map((step) =>
      step.kind === "send" ? { ...step, bytes: Buffer.from(step.bytes, "base64") } : step,
    ),
  };
}

/** Also of what was a Buffer in another thread. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
