import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../processes.ts'
import type { Nodes } from './cluster.ts'
import { kafkaJars } from './jars.ts'
import { brokerProperties, clusterId } from './properties.ts'

const run = promisify(execFile)
const memory = ['-Xms128m', '-Xmx400m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData']

/** Brokers as processes of this machine, on the JDK that is here. */
export async function localNodes(count: number, advertise: (listen: string, id: number) => Promise<string>): Promise<Nodes> {
  const jars = await kafkaJars()
  const home = mkdtempSync(join(tmpdir(), 'recado-kafka-'))
  const id = clusterId()
  const ids = Array.from({ length: count }, (_, i) => i + 1)
  const controllers = await Promise.all(ids.map(async () => `127.0.0.1:${await freePort()}`))
  const voters = ids.map((one, i) => `${one}@${controllers[i]}`)
  const nodes = await Promise.all(
    ids.map(async (one, i) => {
      const listen = `127.0.0.1:${await freePort()}`
      const advertised = await advertise(listen, one)
      const directory = join(home, String(one))
      mkdirSync(directory)
      const file = join(directory, 'server.properties')
      const settings = {
        ...brokerProperties({ id: one, advertised, listen, controller: controllers[i] ?? '' }, voters),
        'log.dirs': join(directory, 'log'),
      }
      writeFileSync(
        file,
        Object.entries(settings)
          .map(([name, value]) => `${name}=${value}\n`)
          .join(''),
      )
      await run('java', [...memory, '-cp', jars, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', file, '--ignore-formatted'])
      return brokerProcess(['-cp', jars, 'kafka.Kafka', file], advertised)
    }),
  )
  return {
    nodes,
    async close() {
      await Promise.all(nodes.map(async (node) => node.kill()))
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function brokerProcess(command: readonly string[], address: string): Nodes['nodes'][number] {
  let child: ChildProcess | undefined
  let lines: string[] = []
  const reap = (): void => void child?.kill('SIGKILL')
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const dying = child
    child = undefined
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return
    const gone = new Promise((resolve) => dying.once('close', resolve))
    // A frozen one hears SIGTERM only when it is thawed.
    dying.kill('SIGCONT')
    dying.kill(signal)
    await gone
    process.off('exit', reap)
  }
  return {
    address,
    async start() {
      if (child !== undefined) return
      lines = []
      child = spawn('java', [...memory, ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => (lines = [...lines, data.toString()].slice(-40)))
      process.once('exit', reap)
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    freeze: () => Promise.resolve(void child?.kill('SIGSTOP')),
    thaw: () => Promise.resolve(void child?.kill('SIGCONT')),
    ended: () => child !== undefined && (child.exitCode !== null || child.signalCode !== null),
    said: () => lines.join(''),
  }
}
