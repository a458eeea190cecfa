/**
 * The API of every entry of net2net as text, compared with what is committed in packages/net2net/api. Prints what differs and
 * exits with 1; `--write` takes the new reports over. The library must be built.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'

const isWriting = process.argv.includes('--write')
const packageFolder = resolve('packages/net2net')
const { exports } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types?: string }>
}
const reports = Object.entries(exports).flatMap(([name, target]) => {
  if (typeof target === 'string' || target.types === undefined || name.includes('*')) return []
  // What a browser gets is a part of it.
  return [[name === '.' ? 'index' : name.slice(2), target.types] as const]
})
const reportFolder = join(packageFolder, 'api')
mkdirSync(reportFolder, { recursive: true })
let differing = 0
for (const [title, types] of reports) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(packageFolder, 'package.json'),
    configObject: {
      projectFolder: packageFolder,
      mainEntryPointFilePath: join(packageFolder, types),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: 'es2022',
            lib: ['es2023', 'dom'],
            module: 'nodenext',
            moduleResolution: 'nodenext',
            types: ['node'],
            strict: true,
            skipLibCheck: true,
          },
          files: [types],
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: `${title}.api.md`,
        reportFolder,
        reportTempFolder: join(tmpdir(), 'net2net-api'),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        // Docstrings are for people: no tags of releases are asked for.
        extractorMessageReporting: { default: { logLevel: 'none' as ExtractorLogLevel } },
        tsdocMessageReporting: { default: { logLevel: 'none' as ExtractorLogLevel } },
      },
    },
  })
  const result = Extractor.invoke(config, {
    localBuild: isWriting,
    messageCallback: (message) => {
      if (message.logLevel !== ExtractorLogLevel.Error) message.logLevel = ExtractorLogLevel.None
    },
  })
  if (result.errorCount > 0 || (result.apiReportChanged && !isWriting)) {
    differing++
    process.stderr.write(`The API of ${title} is not what ${title}.api.md says.\n`)
  }
}
process.stdout.write(`${reports.length} entries, ${differing} with another API than reported\n`)
if (differing > 0) {
  process.stderr.write(
    'Run "npm run docs:api" where the change is wanted, and say it in CHANGELOG.md.\n',
  )
  process.exitCode = 1
}
