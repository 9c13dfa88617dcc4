/**
 * A common alternative: express with express-session and connect-pg-simple, and a route that returns
 * the user who is logged in. With BENCH_EXPRESS_TOUCH, each request also extends the session, as
 * express-session does by default.
 */
import { createServer } from "node:http";
import connectPgSimple from "connect-pg-simple";
import express from "express";
import session from "express-session";
import pg from "pg";
import { EXPRESS_SECRET } from "../credentials.ts";
import { listen, setting } from "./listen.ts";

declare module "express-session" {
  interface SessionData {
    user: object;
  }
}

const PgStore = connectPgSimple(session);
const pool = new pg.Pool({ connectionString: setting("BENCH_DATABASE_URL"), max: 10 });

const app = express();
// Neither belongs to sessions, and both cost time in each response.
app.disable("etag").disable("x-powered-by");
app.use(
  session({
    secret: EXPRESS_SECRET,
    resave: false,
    rolling: false,
    saveUninitialized: false,
    cookie: { maxAge: 12 * 3_600_000 },
    store: new PgStore({
      pool,
      disableTouch: setting("BENCH_EXPRESS_TOUCH") !== "true",
      pruneSessionInterval: false,
    }),
  }),
);
app.get("/whoami", (request, response) => {
  const { user } = request.session;
  if (user === undefined) response.sendStatus(401);
  else response.json(user);
});
listen(createServer(app));
