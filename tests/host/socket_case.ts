/**
 * A test of something that serves sockets by epoll. The C library and the reactor belong to the process, not to the test
 * that needs them first, and the thread that waits for them ends a moment after the last server is closed: what the
 * sanitizers would call a leak of the test is neither.
 */

export function socketTest(name: string, fn: () => Promise<void> | void, ignore = false): void {
  Deno.test({ name, ignore, fn, sanitizeOps: false, sanitizeResources: false });
}
