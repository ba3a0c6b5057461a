import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('main.ts', import.meta.url))

export type ServerProcess = {
  url: string
  /** kill -9. */
  kill: () => Promise<void>
  /** SIGTERM, until it is gone. */
  terminate: () => Promise<void>
  /** On the same port, with the same data, after it went. */
  start: () => Promise<void>
  /** SIGSTOP, SIGCONT. */
  freeze: () => void
  thaw: () => void
  stop: () => Promise<void>
}
export type DoubleProcess = ServerProcess & { pid: () => number }

/** The double in a process of its own: see main.ts for what the options mean. */
export async function startDoubleProcess(options: {
  data: string
  maxAppendSize?: number
  notReadyMs?: number
  graceMs?: number
}): Promise<DoubleProcess> {
  let child: ChildProcess | undefined
  let port = 0
  const start = async (): Promise<void> => {
    const words = ['--port', String(port), '--data', options.data]
    if (options.maxAppendSize !== undefined) words.push('--max-append-size', String(options.maxAppendSize))
    if (options.notReadyMs !== undefined) words.push('--not-ready-ms', String(options.notReadyMs))
    if (options.graceMs !== undefined) words.push('--grace-ms', String(options.graceMs))
    const started = spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    port = await new Promise<number>((ready, failed) => {
      let said = ''
      const hear = (part: Buffer): void => {
        said += part.toString()
        const found = /double on esdb:\/\/[^:]+:(\d+)/.exec(said)?.[1]
        if (found !== undefined) ready(Number(found))
      }
      started.stdout.on('data', hear)
      started.stderr.on('data', hear)
      started.once('exit', (code) => failed(new Error(`the double ended with ${code}: ${said}`)))
    })
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child
    child = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = once(ending, 'exit')
    ending.kill(signal)
    await gone
  }
  await start()
  return {
    url: `esdb://127.0.0.1:${port}?tls=false`,
    kill: async () => end('SIGKILL'),
    terminate: async () => end('SIGTERM'),
    start,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    stop: async () => end('SIGKILL'),
    pid: () => child?.pid ?? 0,
  }
}
