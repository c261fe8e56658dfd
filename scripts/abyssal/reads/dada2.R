# Denoise reads with DADA2 (Callahan and others 2016, doi:10.1038/nmeth.3869); called by abyssal.reads.dada2.
# Arguments: output table, threads, then one FASTQ file for each library. Table: unique sequence, variant.
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages(library(dada2))
files <- arguments[-(1:2)]
threads <- as.integer(arguments[2])
uniques <- derepFastq(files)
if (inherits(uniques, "derep")) uniques <- list(uniques)
# Few reads tell nothing of the sequencer's errors; the package's own rates stand in for them.
errors <- tryCatch(
  learnErrors(uniques, multithread = threads, randomize = FALSE, verbose = 0),
  error = function(problem) {
    message("learnErrors: ", conditionMessage(problem), "; taking tperr1")
    tperr1
  }
)
found <- dada(uniques, err = errors, pool = TRUE, multithread = threads, verbose = 0)
if (inherits(found, "dada")) found <- list(found)
rows <- do.call(rbind, Map(function(unique, denoised) {
  data.frame(unique = names(unique$uniques), variant = denoised$sequence[denoised$map])
}, uniques, found))
rows <- unique(rows[!is.na(rows$variant), ])
write.table(rows, arguments[1], sep = "\t", quote = FALSE, row.names = FALSE, col.names = FALSE)
