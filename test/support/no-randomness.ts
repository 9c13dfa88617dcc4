/** To be preloaded with `--import`: whoever asks Node's crypto for random bytes gets none. */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

Object.assign(crypto, {
  randomBytes() {
    throw new Error("the source of randomness is closed");
  },
});
syncBuiltinESMExports();
