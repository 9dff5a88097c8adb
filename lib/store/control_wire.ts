/**
 * The control channel, by which our agents speak on a store's port, as data. Bytes:
 *
 *     each side, once:  c7 6d 73 74 72
 *     frame:            u8 kind, u32 length of the body, body
 *
 * Integers are little-endian; "sized" is a u8 length and that many bytes, "text" a u16 length and that many bytes of UTF-8.
 *
 *     initiator  HELLO ->
 *                      <- CHALLENGE       only with a shared secret
 *                PROOF ->                 only with a shared secret
 *                      <- WELCOME, or REFUSAL and the end
 *                from here on both ways MESSAGE, ACK, PING, PONG
 *
 * Rules for every later version: a kind of frame that is not known is skipped; a body may be longer than what is read
 * of it (but a MESSAGE's), so fields are only ever added at the end; HELLO's and REFUSAL's present fields never change,
 * since they are read before a protocol is agreed on.
 */

/** What both sides send first. The first byte is no operation of TCPStore and begins no text, TLS or SSH. */
export const CONTROL_PREAMBLE: Uint8Array = new Uint8Array([0xc7, 0x6d, 0x73, 0x74, 0x72]);

/** Tells a control connection from a store client's by its first byte. */
export const CONTROL_FIRST_BYTE = 0xc7;

/** An inclusive range of protocol versions. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

/** What this version speaks: the newest and, as soon as there are two, the one before it, so that a job may mix them. */
export const CONTROL_PROTOCOLS: ProtocolRange = { min: 1, max: 1 };

/** Length of every nonce and proof. */
export const NONCE_BYTES = 32;
/** Length of the initiator's instance id and of a session id. */
export const ID_BYTES = 16;

export interface Hello {
  readonly kind: "hello";
  readonly protocols: ProtocolRange;
  /** The program's version, for people. */
  readonly version: string;
  readonly jobId: string;
  /** Stable over restarts of the agent. */
  readonly nodeId: string;
  /** Of the job's present host as far as the sender knows; 0: it knows of none. */
  readonly epoch: number;
  /** Where that host is, HOST:PORT; "": not known. */
  readonly hostAddress: string;
  /** Byte string; equal where the settings that must agree are equal. */
  readonly settingsHash: string;
  /** Byte string, drawn by the initiator when it begins. */
  readonly instance: string;
  /** Counts the instance's connections, so that one that was overtaken is known as such. */
  readonly attempt: number;
  /** Byte string: the session to go on with; "": the sender was never welcomed. */
  readonly sessionId: string;
  /** Sequence number of the last message that the sender received in that session. */
  readonly received: number;
  /** The sender will ask for a proof. */
  readonly hasSecret: boolean;
  readonly nonce: Uint8Array;
}

export interface Welcome {
  readonly kind: "welcome";
  readonly protocol: number;
  readonly version: string;
  readonly nodeId: string;
  readonly epoch: number;
  readonly sessionId: string;
  readonly received: number;
  /** Empty without a secret. */
  readonly proof: Uint8Array;
}

/** Why a hello was not taken; each with the number on the wire. */
export const REFUSAL_KINDS = {
  noCommonProtocol: 1,
  /** The acceptor asks for a secret, the initiator has none. */
  secretRequired: 2,
  /** The other way round. */
  secretUnknown: 3,
  wrongSecret: 4,
  wrongJob: 5,
  settingsDiffer: 6,
  /** The initiator belongs to an older epoch than the acceptor. */
  epochIsOld: 7,
  /** The acceptor belongs to an older epoch than the initiator: it must yield. */
  hostIsOld: 8,
  /** Another agent of this node id has a session; it may be over soon. */
  nodeIsPresent: 9,
  /** The session to go on with is over. */
  sessionIsOver: 10,
  isFull: 11,
} as const;

export type RefusalKind = keyof typeof REFUSAL_KINDS;

export interface Refusal {
  readonly kind: "refusal";
  /** "other": a reason of a later version; `detail` says it. */
  readonly reason: RefusalKind | "other";
  /** The acceptor's. */
  readonly epoch: number;
  /** Where the host of that epoch is, HOST:PORT; "": not known. */
  readonly hostAddress: string;
  /** For people: a clause whose subject is the acceptor. */
  readonly detail: string;
}

/** Frames of an open session. */
export type SessionFrame =
  /** `type` 0 ends the session; all others are the sender's and receiver's business. */
  | {
    readonly kind: "message";
    readonly sequence: number;
    readonly type: number;
    readonly payload: Uint8Array;
  }
  /** All messages up to `received` have arrived. */
  | { readonly kind: "ack"; readonly received: number }
  | { readonly kind: "ping"; readonly id: number }
  /** `clockMs`: the sender's monotonic clock when the ping arrived. */
  | { readonly kind: "pong"; readonly id: number; readonly clockMs: number };

export type ControlFrame =
  | Hello
  | { readonly kind: "challenge"; readonly nonce: Uint8Array }
  | { readonly kind: "proof"; readonly proof: Uint8Array }
  | Welcome
  | Refusal
  | SessionFrame;

export const FRAME_KINDS: Readonly<Record<ControlFrame["kind"], number>> = {
  hello: 1,
  challenge: 2,
  proof: 3,
  welcome: 4,
  refusal: 5,
  message: 6,
  ack: 7,
  ping: 8,
  pong: 9,
};

export function isSessionFrame(frame: ControlFrame): frame is SessionFrame {
  return FRAME_KINDS[frame.kind] >= FRAME_KINDS.message;
}

/** The message that ends a session. */
export const END_TYPE = 0;
export const MESSAGE_TYPE_MAX = 0xffff;
