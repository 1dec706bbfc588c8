/*
 * Promises that end early when a signal says so.
 */

/** The promise, or a rejection with the signal's reason. The result that comes later is `late`'s, or nobody's. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(signal.reason)
    const over = () => signal.removeEventListener('abort', stop)
    signal.addEventListener('abort', stop, { once: true })
    promise.then(
      (value) => {
        over()
        resolve(value)
      },
      (error: unknown) => {
        over()
        reject(error)
      },
    )
  })
}
