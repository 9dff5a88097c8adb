/**
 * Every limit of the control channel, in one place. Who passes one is cut off with one log line; the others go on.
 */

export interface ControlLimits {
  /** A frame's body before its sender has a session. */
  readonly greetingBytesMax: number;
  /** From a connection's first byte to its welcome. */
  readonly greetingMs: number;
  /** Connections that are not welcomed yet. */
  readonly greetingsMax: number;
  readonly sessionsMax: number;
  /** One message's content. */
  readonly messageBytesMax: number;
  /** Content of one session's messages that were not acknowledged: they are kept to be sent again. */
  readonly unackedBytesMax: number;
  readonly unackedMessagesMax: number;
  /** Bytes that one socket has not taken yet. */
  readonly unwrittenBytesMax: number;
  /** How long a session lives without a connection. */
  readonly resumeMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_CONTROL_LIMITS: ControlLimits = {
  greetingBytesMax: 8 * KIB,
  greetingMs: 10_000,
  greetingsMax: 4 * KIB,
  sessionsMax: 16 * KIB,
  messageBytesMax: 4 * MIB,
  unackedBytesMax: 16 * MIB,
  unackedMessagesMax: 16 * KIB,
  unwrittenBytesMax: 32 * MIB,
  resumeMs: 300,
};
