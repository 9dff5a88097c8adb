/**
 * Every limit of a store server, in one place. A connection that passes one is closed with one log line; the others
 * go on. No default is lower than PyTorch's own, where PyTorch has one (tcpstore-protocol, "Rules"). README has them all.
 */

export interface StoreLimits {
  readonly keyBytesMax: number;
  /** Of one value as it arrives; APPEND may make a stored one longer, up to `requestBytesMax`. */
  readonly valueBytesMax: number;
  readonly keysPerRequestMax: number;
  /** Of one whole request, reply or stored value. */
  readonly requestBytesMax: number;
  /** Keys and queue entries in all. */
  readonly keysMax: number;
  /** Keys and values in all, bookkeeping not counted. */
  readonly storedBytesMax: number;
  /** Of unfinished requests of all connections together. */
  readonly unfinishedBytesMax: number;
  readonly connectionsMax: number;
  /** From the first byte of a handshake or request to its last. A silent connection has no limit. */
  readonly requestMs: number;
  /** Replies waiting to be read before no further request of that connection is taken. */
  readonly unreadReplyBytesMax: number;
  /** Of unread replies of all connections together; what is sent from where it is stored is not counted. */
  readonly unreadBytesMax: number;
}

/** What `keyBytesMax` may be: the table keeps a key's length in two bytes. */
export const KEY_BYTES_MOST = 0xffff;

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS: StoreLimits = {
  keyBytesMax: 8 * KIB,
  valueBytesMax: 8 * MIB,
  keysPerRequestMax: 128 * KIB,
  requestBytesMax: 256 * MIB,
  keysMax: 8 * MIB,
  storedBytesMax: 4 * KIB * MIB,
  unfinishedBytesMax: 1024 * MIB,
  connectionsMax: 64 * KIB,
  requestMs: 300_000,
  unreadReplyBytesMax: 1 * MIB,
  unreadBytesMax: 1024 * MIB,
};
