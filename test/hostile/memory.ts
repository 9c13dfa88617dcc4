import type { Started } from "../support/sessiond-process.ts";
import { until } from "../support/until.ts";

const MIB = 2 ** 20;
/** Only ends a suite that would hang. */
const ANSWER_LIMIT_MS = 120_000;

/** Starts Node such that `inspectMemory` can reach it. */
export const INSPECTABLE = ["--inspect=127.0.0.1:0"];

/** The memory that a process uses after a garbage collection. */
export interface Memory extends Disposable {
  /**
   * Collects garbage, and returns the rest in MiB: the JavaScript heap, and what is allocated outside of
   * it, such as buffers.
   */
  usedMib(): Promise<number>;
}

/** Connects to the inspector of a process. Dispose of it, or the process does not exit. */
export async function inspectMemory(process: Started): Promise<Memory> {
  const url = await until("the inspector listens", async () => {
    return /Debugger listening on (ws:\S+)/.exec(process.stderr)?.[1];
  });
  const socket = new WebSocket(url);
  const opened = Promise.withResolvers<void>();
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  socket.addEventListener("open", () => opened.resolve());
  socket.addEventListener("message", ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id: number; result: unknown };
    waiting.get(id)?.resolve(result);
    waiting.delete(id);
  });
  socket.addEventListener("close", () => {
    const error = new Error("the inspector has closed the connection");
    opened.reject(error);
    for (const { reject } of waiting.values()) reject(error);
  });
  await opened.promise;

  let lastId = 0;
  function send(method: string, params: object = {}): Promise<unknown> {
    lastId += 1;
    const answer = Promise.withResolvers<unknown>();
    waiting.set(lastId, answer);
    socket.send(JSON.stringify({ id: lastId, method, params }));
    const error = new Error(`the process does not answer its inspector, ${method}`);
    const timer = setTimeout(() => answer.reject(error), ANSWER_LIMIT_MS);
    return answer.promise.finally(() => clearTimeout(timer));
  }

  return {
    async usedMib() {
      await send("HeapProfiler.collectGarbage");
      const expression = "process.memoryUsage().heapUsed + process.memoryUsage().external";
      const { result } = (await send("Runtime.evaluate", { expression })) as {
        result: { value: number };
      };
      return Math.round(result.value / MIB);
    },
    [Symbol.dispose]: () => socket.close(),
  };
}
