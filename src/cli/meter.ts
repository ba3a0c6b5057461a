import progress from 'cli-progress'

/** How far a long command is: a bar for people, a line every few seconds for whatever else reads it. On stderr: stdout may be the result. */
export type Meter = { readonly move: (to: number, events: number) => void; readonly end: () => void }

const lineEveryMs = 5_000

export function createMeter(title: string, from: number, to: number): Meter {
  const started = performance.now()
  const total = Math.max(0, to - from)
  let events = 0
  let reached = from
  let said = started
  const rate = (): number => Math.round((reached - from) / Math.max(0.001, (performance.now() - started) / 1_000))
  const left = (): string => (rate() === 0 ? '?' : `${Math.ceil((to - reached) / rate())} s`)
  const bar = process.stderr.isTTY
    ? new progress.SingleBar(
        { stream: process.stderr, clearOnComplete: true, format: `${title} {bar} {percentage} % · {rate} events/s · {left} left` },
        progress.Presets.shades_classic,
      )
    : undefined
  bar?.start(total, 0, { rate: '?', left: '?' })
  return {
    move(position, count) {
      reached = position
      events += count
      bar?.update(reached - from, { rate: rate(), left: left() })
      if (bar !== undefined || performance.now() - said < lineEveryMs) return
      said = performance.now()
      console.error(`${title}: position ${reached} of ${to}, ${rate()} events/s, ${left()} left`)
    },
    end() {
      bar?.stop()
      const seconds = (performance.now() - started) / 1_000
      console.error(`${title}: ${reached - from} positions, ${events} events taken, ${seconds.toFixed(1)} s, ${rate()} events/s`)
    },
  }
}
