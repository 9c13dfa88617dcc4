import type { Attack } from "./attack.ts";
import { attacks as badInput } from "./attacks/bad-input.ts";
import { attacks as connectionErrors } from "./attacks/connection-errors.ts";
import { attacks as connections } from "./attacks/connections.ts";
import { attacks as contention } from "./attacks/contention.ts";
import { attacks as frameFloods } from "./attacks/frame-floods.ts";
import { attacks as hpackBomb } from "./attacks/hpack-bomb.ts";
import { attacks as hugeHeaders } from "./attacks/huge-headers.ts";
import { attacks as madeYouReset } from "./attacks/made-you-reset.ts";
import { attacks as manyStreams } from "./attacks/many-streams.ts";
import { attacks as overload } from "./attacks/overload.ts";
import { attacks as ownProcess } from "./attacks/own-process.ts";
import { attacks as pipelining } from "./attacks/pipelining.ts";
import { attacks as randomInput } from "./attacks/random-input.ts";
import { attacks as rapidReset } from "./attacks/rapid-reset.ts";
import { attacks as rebinding } from "./attacks/rebinding.ts";
import { attacks as secretsOfProcess } from "./attacks/secrets-of-process.ts";
import { attacks as slowHandshakes } from "./attacks/slow-handshakes.ts";
import { attacks as slowPeers } from "./attacks/slow-peers.ts";
import { attacks as streaming } from "./attacks/streaming.ts";
import { attacks as unacknowledgedSettings } from "./attacks/unacknowledged-settings.ts";
import { attacks as zeroWindow } from "./attacks/zero-window.ts";

export const allAttacks: readonly Attack[] = [
  ...badInput,
  ...randomInput,
  ...rapidReset,
  ...madeYouReset,
  ...frameFloods,
  ...hpackBomb,
  ...hugeHeaders,
  ...unacknowledgedSettings,
  ...connectionErrors,
  ...zeroWindow,
  ...manyStreams,
  ...streaming,
  ...pipelining,
  ...connections,
  ...slowPeers,
  ...overload,
  ...contention,
  ...ownProcess,
  ...rebinding,
  ...secretsOfProcess,
  ...slowHandshakes,
];
