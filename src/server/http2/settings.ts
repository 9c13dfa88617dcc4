/** SETTINGS (RFC 9113, section 6.5). */
import type { Frame } from "./frame.ts";
import * as frames from "./frames.ts";
import { ErrorCode, FloodError, Http2Error, Setting } from "./frames.ts";

const SETTING_BYTES = 6;

/** How many settings one frame may have. Clients know less than ten. */
export const MAX_SETTINGS = 32;

/** Section 6.5.2: the smallest and the largest value, and the error for others. */
const ranges = new Map<number, readonly [min: number, max: number, code: ErrorCode]>([
  [Setting.ENABLE_PUSH, [0, 1, ErrorCode.PROTOCOL_ERROR]],
  [Setting.INITIAL_WINDOW_SIZE, [0, frames.MAX_WINDOW, ErrorCode.FLOW_CONTROL_ERROR]],
  [Setting.MAX_FRAME_SIZE, [2 ** 14, 2 ** 24 - 1, ErrorCode.PROTOCOL_ERROR]],
]);

/** A client's settings, to be processed in this order (section 6.5.3). @throws {Http2Error} */
export function readSettings(frame: Frame): [id: number, value: number][] {
  const { buffer, start, end, length } = frame;
  if (length % SETTING_BYTES !== 0 || (frame.has(frames.Flag.ACK) && length > 0)) {
    throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, "the length of SETTINGS is wrong");
  }
  if (length > MAX_SETTINGS * SETTING_BYTES) {
    const message = `SETTINGS has more than ${MAX_SETTINGS} settings`;
    throw new FloodError("frames", message);
  }
  const settings: [id: number, value: number][] = [];
  for (let at = start; at < end; at += SETTING_BYTES) {
    const id = buffer.readUInt16BE(at);
    const value = buffer.readUInt32BE(at + 2);
    const [min, max, code] = ranges.get(id) ?? [0, value, ErrorCode.NO_ERROR];
    if (value < min || value > max) {
      throw new Http2Error(code, `the setting ${id} is not from ${min} to ${max}`);
    }
    settings.push([id, value]);
  }
  return settings;
}

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const length = SETTING_BYTES * settings.length;
  const frame = Buffer.alloc(frames.FRAME_HEAD_BYTES + length);
  let at = frames.writeFrameHead(frame, 0, length, frames.FrameType.SETTINGS, 0, 0);
  for (const [id, value] of settings) at = frame.writeUInt32BE(value, frame.writeUInt16BE(id, at));
  return frame;
}
