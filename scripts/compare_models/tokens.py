def compare(only, program, place):
    return 0
