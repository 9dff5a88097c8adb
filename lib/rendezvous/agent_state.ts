/** Where a node's agent stands in its job, so that a new host can take it up there. */

export type AgentState =
  /** It is told to join, or will by itself. */
  | { readonly kind: "idle" }
  /** It wants to take part. */
  | { readonly kind: "joined" }
  /** It has workers of this round, or is clearing up. `isOver`: the round has lost its host. */
  | { readonly kind: "in-round"; readonly round: number; readonly isOver: boolean }
  /** It has cleared a round, and waits for what comes next. */
  | { readonly kind: "cleared" };
