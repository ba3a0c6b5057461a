import { resolve } from 'node:path'
import { GenericContainer, Network, Wait, type StartedNetwork, type StartedTestContainer } from 'testcontainers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dockerAnswers } from '../support/kafka/docker-broker.ts'

const docker = await dockerAnswers()
if (!docker) process.stderr.write('\n*** the image: not built, no Docker engine ***\n\n')

describe.skipIf(!docker)('the image', () => {
  const started: StartedTestContainer[] = []
  let network: StartedNetwork
  let recado: StartedTestContainer
  beforeAll(async () => {
    network = await new Network().start()
    const postgres = await new GenericContainer('postgres:18')
      .withNetwork(network)
      .withNetworkAliases('postgres')
      .withEnvironment({ POSTGRES_USER: 'recado', POSTGRES_DB: 'recado', POSTGRES_PASSWORD: 'secret' })
      // Twice: the first one is that of its own preparations.
      .withWaitStrategy(Wait.forLogMessage('database system is ready to accept connections', 2))
      .start()
    started.push(postgres)
    const image = await GenericContainer.fromDockerfile(resolve(import.meta.dirname, '../..')).build('recado:test', { deleteOnExit: false })
    recado = await image
      .withNetwork(network)
      .withExposedPorts(8080)
      .withTmpFs({ '/tmp': 'rw' })
      .withEnvironment({
        DATABASE_URL: 'postgresql://recado:secret@postgres:5432/recado',
        RECADO_MASTER_KEY: Buffer.alloc(32, 5).toString('base64'),
        RECADO_OPERATOR_KEY: 'the key of the operator',
        PUBLIC_URL: 'https://recado.example.com',
      })
      .withWaitStrategy(Wait.forHttp('/readyz', 8080).forStatusCode(200))
      .withStartupTimeout(120_000)
      .start()
    started.push(recado)
  }, 600_000)
  afterAll(async () => {
    for (const container of started.toReversed()) await container.stop()
    await network.stop()
  })

  it('becomes ready on a PostgreSQL of its own, as somebody who is not root, and finds itself healthy', async () => {
    const answer = await fetch(`http://${recado.getHost()}:${recado.getMappedPort(8080)}/healthz`)
    expect(await answer.json()).toMatchObject({ status: 'ok' })
    expect((await recado.exec(['id', '-u'])).output.trim()).not.toBe('0')
    expect((await recado.exec(['node', 'src/recado.js', 'store', 'status'])).output).toContain('The log is on postgres')
    expect((await recado.exec(['ffmpeg', '-version'])).exitCode).toBe(0)
  })
})
