"""Workers: one process for each entrant, what it is asked and what it answers, its environment, cores and memory.

`pool`            the workers of a generation, and which entrant has which
`process`         one worker as the race sees it: started, asked under a deadline, ended
`channel`         messages over a socket, each sent and received before a deadline
`worker`          the program that runs in the worker
`messages`        what is asked and answered
`problem_files`   problems as files that every worker maps into memory
`environment`     the variables of a worker
`cores`           which cores race, by topology
`cpu_accounting`  CPU time and threads of a worker
`memory`          where its heap begins, and room for a step
"""
