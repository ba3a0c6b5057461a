import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDoubleProcess, type ServerProcess } from './eventstoredb-double/process.ts'
import { withLogOfItsOwn } from './eventstoredb-server.ts'

/** An EventStoreDB that may be harmed. Without `process` it is a real one whose process nobody handed over: only the line to it can be cut. */
export type FragileServer = { readonly url: string; readonly process: ServerProcess | undefined; readonly stop: () => Promise<void> }

/**
 * The server that `EVENTSTOREDB_URL` names, to be killed, ended and frozen by `EVENTSTOREDB_PID` and started again by the command in `EVENTSTOREDB_START`
 * (both or none; the command must stay in the foreground and keep its data); else the protocol double in a process of its own, which is said loudly.
 */
export async function fragileEventStoreDb(): Promise<FragileServer> {
  const server = await anyServer()
  return { ...server, url: withLogOfItsOwn(server.url) }
}

async function anyServer(): Promise<FragileServer> {
  const { EVENTSTOREDB_URL: url = '', EVENTSTOREDB_PID: pid, EVENTSTOREDB_START: command } = process.env
  if (url !== '') {
    if (pid === undefined || command === undefined) {
      say('EVENTSTOREDB_PID and EVENTSTOREDB_START are not set: the server is not killed, ended or frozen, only the line to it is cut')
      return { url, process: undefined, stop: async () => undefined }
    }
    const real = handedOver(url, Number(pid), command)
    return { url, process: real, stop: real.stop }
  }
  say('EventStoreDB: protocol double only, no real server')
  const folder = mkdtempSync(join(tmpdir(), 'recado-esdb-'))
  const double = await startDoubleProcess({ data: join(folder, 'log'), notReadyMs: 300, graceMs: 1_500 })
  return {
    url: double.url,
    process: double,
    async stop() {
      await double.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function handedOver(url: string, first: number, command: string): ServerProcess {
  let pid = first
  const isAlive = (): boolean => {
    try {
      process.kill(pid, 0)
    } catch {
      return false
    }
    // Dead, and whoever started it has not asked yet.
    const stat = `/proc/${pid}/stat`
    return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, 'utf8'))
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (isAlive()) process.kill(pid, signal)
    while (isAlive()) await sleep(20)
  }
  return {
    url,
    kill: async () => end('SIGKILL'),
    terminate: async () => end('SIGTERM'),
    async start() {
      const child = spawn('sh', ['-c', `exec ${command}`], { detached: true, stdio: 'ignore' })
      child.unref()
      if (child.pid === undefined) throw new Error(`EVENTSTOREDB_START could not be run: ${command}`)
      pid = child.pid
      await sleep(500)
      if (child.exitCode !== null) throw new Error(`EVENTSTOREDB_START ended at once with ${child.exitCode}: ${command}`)
    },
    freeze: () => void process.kill(pid, 'SIGSTOP'),
    thaw: () => void process.kill(pid, 'SIGCONT'),
    // It is not ours: it stays.
    stop: async () => undefined,
  }
}

function say(line: string): void {
  process.stderr.write(`\n*** ${line} ***\n\n`)
}
