// What the columns and lengths of some data are, in memory that does not grow with them: what `fettle inspect` shows.
export {
  createColumnStatistics,
  type ColumnStatistics,
  type StatisticsOfColumns,
} from './column-statistics.ts'
export { createLengthCounts, type LengthCounts } from './length-counts.ts'
