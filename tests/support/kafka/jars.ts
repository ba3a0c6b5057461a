import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const pom = join(import.meta.dirname, 'pom.xml')
const cache = join(import.meta.dirname, '../../../node_modules/.cache/kafka')

/**
 * Apache Kafka's own jars as a class path, fetched by Maven from wherever this machine's Maven fetches; some 45 MB, once. The folder is named after the
 * pom and gets its name only when it is complete, so that neither an edited pom nor a killed run leaves a broker of bits and pieces.
 * @throws saying what is missing: a JDK of 17 or newer, Maven, or what Maven could not fetch.
 */
export async function kafkaJars(): Promise<string> {
  const java = await said('java', ['-version'])
  const version = Number(/version "(\d+)/.exec(java)?.[1] ?? 0)
  if (version < 17) throw new Error(java === '' ? 'no JDK on the path' : `a JDK of 17 or newer is needed, this one is ${version}`)
  const folder = join(cache, createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12))
  if (existsSync(folder)) return join(folder, '*')
  if ((await said('mvn', ['-v'])) === '') throw new Error('no Maven on the path')
  const making = `${folder}.${process.pid}`
  await mkdir(making, { recursive: true })
  try {
    await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${making}`])
    // Another run may have been faster; its folder is as good.
    await rename(making, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error
    })
  } catch (error) {
    throw new Error(`Maven could not fetch Kafka: ${error instanceof Error ? error.message.slice(0, 500) : String(error)}`, { cause: error })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return join(folder, '*')
}

const said = (program: string, words: readonly string[]): Promise<string> =>
  run(program, words).then(
    ({ stdout, stderr }) => stdout + stderr,
    () => '',
  )
