/**
 * Apache Kafka's jars, taken from Maven Central into the project's cache at the first use.
 *
 * Which jars is said by pom.xml beside this file; the version there is the only place that names it.
 * A half-filled cache is never seen: Maven copies into a directory of its own, renamed when complete,
 * and a changed pom.xml has another directory.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const pom = join(import.meta.dirname, 'pom.xml')
const pomText = readFileSync(pom, 'utf8')
const cache = join(import.meta.dirname, '../../.cache/kafka')
const javaVersionMin = 17
const downloadTimeoutMs = 10 * 60_000

const { JAVA_HOME: javaHome } = process.env
/** The `java` of JAVA_HOME when that is set, else the one on the PATH. */
export const java: string = javaHome ? join(javaHome, 'bin/java') : 'java'

/** The version of Apache Kafka the project is compared with. */
export const kafkaVersion: string = /<kafka\.version>([\d.]+)</.exec(pomText)![1]!

/** What every Java process here is told about its log. */
export const logOption = `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'log4j2.properties')}`

/** The directory that holds the jars; filled first when it is not there. */
export async function kafkaJars(): Promise<string> {
  await requireJava()
  const pomHash = createHash('sha256').update(pomText).digest('hex').slice(0, 8)
  const jars = join(cache, `${kafkaVersion}-${pomHash}`)
  if (existsSync(jars)) return jars
  const incoming = `${jars}.${process.pid}`
  mkdirSync(incoming, { recursive: true })
  const goal = 'dependency:copy-dependencies'
  const args = ['-q', '-B', '-f', pom, goal, `-DoutputDirectory=${incoming}`]
  process.stderr.write(`taking Apache Kafka ${kafkaVersion} from Maven Central into ${jars}\n`)
  try {
    await run('mvn', [...args, '-DincludeScope=runtime'], { timeout: downloadTimeoutMs })
    if (!existsSync(jars)) renameSync(incoming, jars)
  } catch (error) {
    throw mavenFailed(error)
  } finally {
    rmSync(incoming, { recursive: true, force: true })
  }
  return jars
}

async function requireJava(): Promise<void> {
  const fix = `install a Java ${javaVersionMin} runtime (Debian: openjdk-17-jre-headless)`
  const { stderr } = await run(java, ['-version']).catch((error: unknown) => {
    throw new Error(`Apache Kafka needs Java and '${java}' cannot be run: ${fix}`, { cause: error })
  })
  const version = Number(/version "(\d+)/.exec(stderr)?.[1])
  if (!(version >= javaVersionMin)) {
    throw new Error(`Apache Kafka ${kafkaVersion} needs Java ${javaVersionMin} or newer: ${fix}`)
  }
}

function mavenFailed(error: unknown): Error {
  const { code, stdout } = error as { code?: unknown; stdout?: string }
  if (code === 'ENOENT') {
    return new Error("'mvn' cannot be run: install Maven (Debian: maven) to take Kafka's jars", {
      cause: error,
    })
  }
  const said = stdout?.split('\n').find((line) => line.includes('ERROR')) ?? String(error)
  return new Error(`Maven could not take Kafka's jars; is Maven Central reachable? ${said}`, {
    cause: error,
  })
}
