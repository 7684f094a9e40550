main = 'loaded'
