import { spawn, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import packageJson from '../../package.json' with { type: 'json' }

/** The started program, as an operator has it: `node src/recado.js serve` with an environment, a port and a log. */
export type RunningRecado = {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Every line that it has written so far, stdout and stderr, in the order of arrival. */
  readonly lines: readonly string[]
  /** Exit code, or null after a signal. */
  readonly ended: Promise<number | null>
  /** kill -9, resolved when the process is gone. */
  readonly kill: () => Promise<void>
  /** SIGTERM, resolved with the exit code when it came to its end by itself. */
  readonly stop: () => Promise<number | null>
}

export type StartOptions = {
  /** Nothing is inherited but PATH and HOME: what a test does not set is not set. */
  readonly env: Readonly<Record<string, string>>
  /** The same port again, for a program that comes back under the address its clients know. */
  readonly port?: number
  readonly arguments?: readonly string[]
  /** What has to answer 200 before it counts as started: `/healthz` for one without workers, whose read models nobody moves (`/readyz`). */
  readonly probe?: string
  /** How long that may take (60 s). */
  readonly readyWithinMs?: number
}

/** Starts Recado and waits until it is ready. @throws with everything it said when it ends or is not ready in time. */
export async function startRecado({
  env,
  port,
  arguments: more = [],
  probe = '/readyz',
  readyWithinMs = 60_000,
}: StartOptions): Promise<RunningRecado> {
  const chosen = port ?? (await freePort())
  const program = launch(['src/recado.js', 'serve', ...more], { HOST: '127.0.0.1', PORT: String(chosen), ...env })
  const url = `http://127.0.0.1:${chosen}`
  let over = false
  void program.ended.then(() => (over = true))
  const deadline = Date.now() + readyWithinMs
  while (!(await isReady(`${url}${probe}`))) {
    if (over || Date.now() > deadline) {
      const byItself = over
      await program.kill()
      throw new Error(`Recado ${byItself ? 'ended' : `was not ready within ${readyWithinMs} ms`}. It said:\n${program.lines.join('\n')}`)
    }
    await sleep(50)
  }
  return { ...program, url, port: chosen }
}

/** Runs a command of the program to its end, e.g. `['migrate']`: for what is expected to print and stop. */
export async function runRecado(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number | null; lines: readonly string[] }> {
  const program = launch(['src/recado.js', ...command], env)
  return { code: await program.ended, lines: program.lines }
}

/** Starts a command that does not end by itself. */
export const launchRecado = (command: readonly string[], env: Readonly<Record<string, string>>): Omit<RunningRecado, 'url' | 'port'> =>
  launch(['src/recado.js', ...command], env)

/** What `npm start` gives to node: tests and benches run the program as users do. */
const nodeFlags = packageJson.scripts.start.split(' ').filter((word) => word.startsWith('--'))

/** For every program of the run, as JSON: how the same suites are run on other engines (`tests/on-eventstoredb.ts`). */
const everywhere = JSON.parse(process.env['RECADO_TEST_ENV'] ?? '{}') as Readonly<Record<string, string>>

function launch(command: readonly string[], env: Readonly<Record<string, string>>): Omit<RunningRecado, 'url' | 'port'> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [...nodeFlags, ...command], { env: { PATH, HOME, ...everywhere, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => lines.push(line))
  // `close` and not `exit`: then every line has arrived too.
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  // A test run that ends early takes its programs with it.
  const reap = (): void => void child.kill('SIGKILL')
  process.once('exit', reap)
  void ended.then(() => process.off('exit', reap))
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    kill: () => gone(child, ended, 'SIGKILL'),
    stop: async () => (await gone(child, ended, 'SIGTERM'), ended),
  }
}

async function gone(child: ChildProcess, ended: Promise<unknown>, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  await ended
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await answer.arrayBuffer()
    return answer.status === 200
  } catch {
    return false
  }
}

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
        else reject(new Error('no port was given'))
      })
    })
  })
}
