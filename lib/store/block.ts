/** A long value as it goes over the wire: after its length, in a buffer of its own, from which it is sent without a copy. */
export class Block {
  /** How often it is still to be sent: meanwhile it must not change. Who goes before that is counted for ever. */
  readers = 0;

  constructor(readonly bytes: Uint8Array) {}
}
