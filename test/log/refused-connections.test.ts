import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import { startTestApp, type TestApp } from "../support/app.ts";
import { until } from "../support/until.ts";

const WARN = 40;

describe("the log of refused connections", () => {
  let app: TestApp;
  let lines: { level: number; msg?: string; open?: number }[];
  let sockets: net.Socket[];

  beforeEach(async () => {
    lines = [];
    sockets = [];
    app = await startTestApp({
      env: { SESSIOND_MAX_CONNECTIONS: "1" },
      onLog: (line) => lines.push(JSON.parse(line)),
    });
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await app.stop();
  });

  function connect(): net.Socket {
    const socket = net.connect(app.app.server.port, app.app.server.host);
    sockets.push(socket);
    socket.on("error", () => {});
    return socket;
  }

  it("warns, and names the setting", async () => {
    await once(connect(), "connect");
    await once(connect(), "close");
    const line = await until("it is logged", async () =>
      lines.find(({ msg }) => msg?.includes("SESSIOND_MAX_CONNECTIONS")),
    );
    expect(line).to.include({ level: WARN, open: 1 });
  });
});
