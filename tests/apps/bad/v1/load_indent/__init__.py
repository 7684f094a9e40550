def main(req):
return 'loaded'
