/** This process: what keeps it from ending while there is work that no socket shows. */

/** Longer than any process lives between two of its ticks; nothing happens when it fires. */
const holdMs = 0x7fff_ffff

/**
 * Holds the process open until the returned function is called. Sockets do so by themselves and timers of
 * `nodeClock` never do, so without it a process that waits to reconnect would end in the pause.
 */
export function holdProcess(): () => void {
  const timer = setInterval(() => {}, holdMs)
  return () => clearInterval(timer)
}
