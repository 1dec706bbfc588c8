/*
 * Turns of the event loop for everybody else: timers and sockets get nothing while promises follow each other.
 */

/** The longest time without a turn. */
const HOLD_MS = 10

let until = 0
let turn: Promise<void> | undefined

/** True when the event loop should have its turn. */
export function isDue(): boolean {
  return performance.now() >= until
}

/** Gives the event loop one turn; all who ask at the same time share it. */
export function breathe(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined
      until = performance.now() + HOLD_MS
      resolve()
    })
  })
  return turn
}
