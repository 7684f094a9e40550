raise RuntimeError('this is not the script')
