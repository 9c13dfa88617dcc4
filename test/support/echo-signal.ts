// Signals its own process once more as soon as it has been signalled, as npm does to its child when
// the terminal has signalled both. To be imported before a program.
let count = 0;
process.on("SIGINT", () => {
  count += 1;
  // After the program's own listener.
  if (count === 1) setImmediate(() => process.kill(process.pid, "SIGINT"));
  else process.stderr.write("signalled again\n");
});
