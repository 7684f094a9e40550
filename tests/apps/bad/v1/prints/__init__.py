def main(req):
    for number in range(10_000):
        print(f'{number:05}' + 'x' * 1000)
    return 'printed'
