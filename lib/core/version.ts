/** The version of muster: equal to deno.json's (a test holds it), and a constant, since reading costs start-up time. */
export const VERSION = "0.1.0";
